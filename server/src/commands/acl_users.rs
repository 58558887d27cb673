//! ACL SETUSER, GETUSER, DELUSER, DRYRUN, LOAD, SAVE.

use super::acl::{ADMIN, EVERYWHERE};
use crate::acl::{self, Account, Changed, RuleSet, Selector, acl_check, is_valid_name};
use crate::client::Signals;
use crate::command::CommandSpec;
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_resp::reply::ReplyWriter;
use std::path::PathBuf;
use std::sync::Arc;

/// ACL SETUSER
pub static SETUSER: CommandSpec = CommandSpec {
    name: "setuser",
    arity: -3,
    complexity: "O(N), N being the rules",
    summary: "Changes what a user may do, or adds a user.",
    syntax: "username [rule [rule ...]]",
    tips: EVERYWHERE,
    changed_in: &["6.2.0", "7.0.0", "9.1.0"],
    handler: set_user,
    ..ADMIN
};

fn set_user(context: &mut Context<'_>) -> CommandResult {
    context.after.rare().redacted.extend(2..context.argv.len());
    let name = context.argv.at(2);
    if !is_valid_name(name) {
        return Err(error::USER_NAME);
    }
    let words: Vec<&[u8]> = context.argv.iter().skip(3).collect();
    let config = context.server.config();
    let set = RuleSet::new(&context.server.commands, &config);
    let changed = context.server.accounts.set_user(name, &words, &set).map_err(|refused| error::acl_rule(&refused))?;
    if let Some(changed) = changed {
        end_subscriptions(context, &changed);
    }
    publish(context);
    context.reply.ok();
    Ok(())
}

/// ACL DELUSER
pub static DELUSER: CommandSpec = CommandSpec {
    name: "deluser",
    arity: -3,
    complexity: "O(N), N being the connections",
    summary: "Takes users away and closes their connections.",
    syntax: "username [username ...]",
    tips: EVERYWHERE,
    handler: delete_users,
    ..ADMIN
};

fn delete_users(context: &mut Context<'_>) -> CommandResult {
    let names: Vec<&[u8]> = context.argv.iter().skip(2).collect();
    if names.contains(&b"default".as_slice()) {
        return Err(error::DEFAULT_USER_STAYS);
    }
    let deleted: Vec<Arc<Account>> = names.iter().filter_map(|name| context.server.accounts.delete(name)).collect();
    end_connections(context, &deleted);
    if !deleted.is_empty() {
        publish(context);
    }
    context.reply.int(deleted.len() as i64);
    Ok(())
}

/// Nobody is served by the old rules once this client has its answer.
fn publish(context: &mut Context<'_>) {
    context.server.bump_gate_epoch();
    context.after.barrier = true;
}

/// Closes the connections of users who are no more.
fn end_connections(context: &mut Context<'_>, gone: &[Arc<Account>]) {
    if gone.is_empty() {
        return;
    }
    for handle in context.server.clients.all() {
        let account = handle.account.lock().clone();
        if !gone.iter().any(|gone| Arc::ptr_eq(gone, &account)) {
            continue;
        }
        if handle.id == context.client.id() {
            context.client.log_out(&context.server.accounts);
            context.after.close = true;
        } else {
            context.server.blocked.cancel(&handle);
            handle.kill();
        }
    }
}

/// Closes the connections whose subscriptions a user has lost.
fn end_subscriptions(context: &Context<'_>, changed: &Changed) {
    if changed.now.keeps_channels_of(&changed.before) {
        return;
    }
    let handles = context.server.clients.all().into_iter();
    // Each connection looks at its own subscriptions.
    handles
        .filter(|handle| Arc::ptr_eq(&handle.account.lock(), &changed.account))
        .for_each(|handle| handle.signal(Signals::RULES));
}

/// ACL GETUSER
pub static GETUSER: CommandSpec = CommandSpec {
    name: "getuser",
    arity: 3,
    complexity: "O(N), N being the passwords and rules of the user",
    summary: "Describes a user.",
    syntax: "username",
    changed_in: &["6.2.0", "7.0.0", "9.1.0"],
    handler: get_user,
    ..ADMIN
};

fn get_user(context: &mut Context<'_>) -> CommandResult {
    let Some(account) = context.server.accounts.get(context.argv.at(2)) else {
        context.reply.null();
        return Ok(());
    };
    let config = context.server.config();
    let set = RuleSet::new(&context.server.commands, &config);
    let (user, reply) = (account.user(), &mut context.reply);
    let described = if set.level.has_database_rules() { 4 } else { 3 };
    reply.map(described + 3);
    reply.bulk("flags");
    let flags = user.flags(&set);
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag));
    reply.bulk("passwords");
    reply.array(user.password_digits().len());
    user.password_digits().for_each(|digits| reply.bulk(digits));
    let Some((own, others)) = user.selectors().split_first() else { return Ok(()) };
    describe(reply, own, &set);
    reply.bulk("selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(described);
        describe(reply, selector, &set);
    }
    Ok(())
}

fn describe(reply: &mut ReplyWriter<'_>, selector: &Selector, set: &RuleSet<'_>) {
    reply.bulk("commands");
    reply.bulk(selector.command_rules(set).join(" "));
    reply.bulk("keys");
    reply.bulk(selector.key_rules().join(&b' '));
    reply.bulk("channels");
    reply.bulk(selector.channel_rules().join(&b' '));
    if set.level.has_database_rules() {
        reply.bulk("databases");
        reply.bulk(selector.database_rule());
    }
}

/// ACL DRYRUN
pub static DRYRUN: CommandSpec = CommandSpec {
    name: "dryrun",
    arity: -4,
    since: "7.0.0",
    summary: "Tells whether a user may execute a command, without executing it.",
    syntax: "username command [arg [arg ...]]",
    handler: dry_run,
    ..ADMIN
};

fn dry_run(context: &mut Context<'_>) -> CommandResult {
    let (name, line) = (context.argv.at(2), context.argv.from(3));
    let account = context.server.accounts.get(name).ok_or_else(|| error::user_not_found(name))?;
    let command = context.server.commands.resolve(line);
    let command = command.filter(|command| !(command.is_container() && line.len() > 1));
    let command = command.ok_or_else(|| error::command_not_found(line.at(0)))?;
    if !command.spec.accepts(line.len()) {
        return Err(error::wrong_arity(&command.full_name));
    }
    match acl_check(&account.user(), command, line, context.db()) {
        Ok(()) => context.reply.ok(),
        Err(denial) => {
            let is_old = context.server.config().compatibility_level.old_error_texts();
            let object = line.at(denial.argument);
            context.reply.bulk(error::dry_run(name, &command.full_name, denial.reason, object, is_old));
        }
    }
    Ok(())
}

/// ACL LOAD
pub static LOAD: CommandSpec = CommandSpec {
    name: "load",
    complexity: "O(N), N being the users",
    summary: "Reads all users from the ACL file.",
    handler: load,
    ..ADMIN
};

fn load(context: &mut Context<'_>) -> CommandResult {
    let path = file(context)?;
    let server = context.server;
    let config = server.config();
    let set = RuleSet::new(&server.commands, &config);
    let replaced = acl::load(&server.accounts, &path, &set).map_err(|refusal| error::message(&refusal))?;
    end_connections(context, &replaced.ended);
    for changed in &replaced.changed {
        end_subscriptions(context, changed);
    }
    publish(context);
    context.reply.ok();
    Ok(())
}

/// ACL SAVE
pub static SAVE: CommandSpec = CommandSpec {
    name: "save",
    complexity: "O(N), N being the users",
    summary: "Writes all users to the ACL file.",
    tips: EVERYWHERE,
    handler: save,
    ..ADMIN
};

fn save(context: &mut Context<'_>) -> CommandResult {
    let path = file(context)?;
    let config = context.server.config();
    let set = RuleSet::new(&context.server.commands, &config);
    acl::save(&context.server.accounts, &path, &set).map_err(|_| error::ACL_NOT_SAVED)?;
    context.reply.ok();
    Ok(())
}

/// The ACL file, if there is one.
fn file(context: &Context<'_>) -> Result<PathBuf, error::CommandError> {
    let config = context.server.config();
    if config.aclfile.as_os_str().is_empty() {
        return Err(error::no_acl_file(config.compatibility_level.calls_itself_redis()));
    }
    Ok(config.aclfile.clone())
}
