//! Publish and subscribe: SUBSCRIBE and its kin, PUBLISH, PUBSUB.

use crate::command::{AclCategories, ChannelArguments, CommandSpec, Flags, Group, KeyFlags, KeySpec, Subcommands};
use crate::context::{Context, Mode};
use crate::error::{self, CommandResult};
use crate::propagation::Reach;
use crate::pubsub::{Space, Staged};
use ochre_resp::reply::ReplyWriter;
use std::sync::Arc;

const PUB_SUB: CommandSpec = CommandSpec {
    flags: Flags::PUBSUB.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    since: "2.0.0",
    group: Group::PubSub,
    complexity: "O(N), N being the names",
    ..CommandSpec::BASE
};
const WITH_SENTINEL: Flags = PUB_SUB.flags.with(Flags::SENTINEL);
/// Channels of slots are found like keys.
const SHARD_CHANNELS: &[KeySpec] = &[KeySpec::rest(1, 1, KeyFlags::NOT_KEY)];

/// SUBSCRIBE
pub static SUBSCRIBE: CommandSpec = CommandSpec {
    name: "subscribe",
    channels: Some(ChannelArguments::ALL),
    arity: -2,
    flags: WITH_SENTINEL,
    summary: "Has the connection receive what is published on channels.",
    syntax: "channel [channel ...]",
    handler: |context| subscribe(context, Space::Channel),
    ..PUB_SUB
};

/// PSUBSCRIBE
pub static PSUBSCRIBE: CommandSpec = CommandSpec {
    name: "psubscribe",
    channels: Some(ChannelArguments::PATTERNS),
    arity: -2,
    flags: WITH_SENTINEL,
    summary: "Has the connection receive what is published on channels that match a pattern.",
    syntax: "pattern [pattern ...]",
    handler: |context| subscribe(context, Space::Pattern),
    ..PUB_SUB
};

/// SSUBSCRIBE
pub static SSUBSCRIBE: CommandSpec = CommandSpec {
    name: "ssubscribe",
    channels: Some(ChannelArguments::ALL),
    arity: -2,
    keys: SHARD_CHANNELS,
    since: "7.0.0",
    summary: "Has the connection receive what is published on channels of slots.",
    syntax: "shardchannel [shardchannel ...]",
    handler: ssubscribe,
    ..PUB_SUB
};

fn ssubscribe(context: &mut Context<'_>) -> CommandResult {
    if context.denies_blocking() {
        return Err(error::SSUBSCRIBE_DENIED);
    }
    subscribe(context, Space::Shard)
}

/// UNSUBSCRIBE
pub static UNSUBSCRIBE: CommandSpec = CommandSpec {
    name: "unsubscribe",
    arity: -1,
    flags: WITH_SENTINEL,
    summary: "Ends subscriptions to channels; without a name, all of them.",
    syntax: "[channel [channel ...]]",
    handler: |context| unsubscribe(context, Space::Channel),
    ..PUB_SUB
};

/// PUNSUBSCRIBE
pub static PUNSUBSCRIBE: CommandSpec = CommandSpec {
    name: "punsubscribe",
    arity: -1,
    flags: WITH_SENTINEL,
    summary: "Ends subscriptions to patterns; without a name, all of them.",
    syntax: "[pattern [pattern ...]]",
    handler: |context| unsubscribe(context, Space::Pattern),
    ..PUB_SUB
};

/// SUNSUBSCRIBE
pub static SUNSUBSCRIBE: CommandSpec = CommandSpec {
    name: "sunsubscribe",
    arity: -1,
    keys: SHARD_CHANNELS,
    since: "7.0.0",
    summary: "Ends subscriptions to channels of slots; without a name, all of them.",
    syntax: "[shardchannel [shardchannel ...]]",
    handler: |context| unsubscribe(context, Space::Shard),
    ..PUB_SUB
};

fn subscribe(context: &mut Context<'_>, space: Space) -> CommandResult {
    for index in 1..context.argv.len() {
        let (name, client) = (context.argv.at(index), &mut *context.client);
        let own = client.subscriptions.get_or_insert_default();
        context.server.pubsub.subscribe(&client.handle, own, space, name);
        let shown = own.shown(space);
        receive(context);
        confirm(&mut context.reply, subscribed(space), Some(name), shown);
    }
    finish(context);
    Ok(())
}

fn unsubscribe(context: &mut Context<'_>, space: Space) -> CommandResult {
    let names: Vec<Arc<[u8]>> = match context.argv.len() {
        1 => context.client.subscriptions.iter().flat_map(|own| own.names(space)).cloned().collect(),
        _ => context.argv.iter().skip(1).map(Arc::from).collect(),
    };
    for name in &names {
        let client = &mut *context.client;
        let shown = client.subscriptions.as_deref_mut().map_or(0, |own| {
            context.server.pubsub.unsubscribe(&client.handle, own, space, name);
            own.shown(space)
        });
        receive(context);
        confirm(&mut context.reply, unsubscribed(space), Some(name), shown);
    }
    if names.is_empty() {
        let shown = context.client.subscriptions.as_ref().map_or(0, |own| own.shown(space));
        confirm(&mut context.reply, unsubscribed(space), None, shown);
    }
    finish(context);
    Ok(())
}

/// Sends what the client has received so far, which must not come behind the confirmation that it receives it no more.
fn receive(context: &mut Context<'_>) {
    let outbox = &context.client.handle.outbox;
    if outbox.is_empty() || context.denies_blocking() {
        return;
    }
    let mut bytes = Vec::new();
    outbox.take_while(|push| {
        push.append_to(&mut bytes, context.client.protocol, context.client.is_listener());
        true
    });
    context.reply.encoded(&bytes, 0);
}

fn confirm(reply: &mut ReplyWriter<'_>, kind: &str, name: Option<&[u8]>, shown: usize) {
    reply.push(3);
    reply.bulk(kind);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(shown as i64);
}

fn finish(context: &mut Context<'_>) {
    context.after.confirms = !context.denies_blocking();
    context.client.subscriptions_changed();
}

fn subscribed(space: Space) -> &'static str {
    match space {
        Space::Channel => "subscribe",
        Space::Pattern => "psubscribe",
        Space::Shard => "ssubscribe",
    }
}

fn unsubscribed(space: Space) -> &'static str {
    match space {
        Space::Channel => "unsubscribe",
        Space::Pattern => "punsubscribe",
        Space::Shard => "sunsubscribe",
    }
}

const PUBLISHING: CommandSpec = CommandSpec {
    arity: 3,
    channels: Some(ChannelArguments::ONE),
    flags: Flags::PUBSUB
        .with(Flags::LOADING)
        .with(Flags::STALE)
        .with(Flags::FAST)
        .with(Flags::MAY_REPLICATE)
        .with(Flags::SENTINEL),
    ..PUB_SUB
};

/// PUBLISH
pub static PUBLISH: CommandSpec = CommandSpec {
    name: "publish",
    complexity: "O(N+M), N being the receivers and M all patterns anybody listens to",
    summary: "Sends a message to all who listen to a channel.",
    syntax: "channel message",
    handler: |context| publish(context, false),
    ..PUBLISHING
};

/// SPUBLISH
pub static SPUBLISH: CommandSpec = CommandSpec {
    name: "spublish",
    flags: PUBLISHING.flags.without(Flags::SENTINEL),
    keys: &[KeySpec::one(1, KeyFlags::NOT_KEY)],
    since: "7.0.0",
    complexity: "O(N), N being the receivers",
    summary: "Sends a message to all who listen to a channel of a slot.",
    syntax: "shardchannel message",
    handler: |context| publish(context, true),
    ..PUBLISHING
};

fn publish(context: &mut Context<'_>, shard: bool) -> CommandResult {
    let (pubsub, channel, payload) = (&context.server.pubsub, context.argv.at(1), context.argv.at(2));
    let receivers = if matches!(context.mode, Mode::Script) {
        let receivers = pubsub.receivers(shard, channel);
        if receivers > 0 {
            let message = Staged { shard, channel: channel.into(), payload: payload.into() };
            context.after.rare().messages.push(message);
        }
        receivers
    } else {
        pubsub.publish(shard, channel, payload)
    };
    // Replicas have subscribers too.
    context.propagate_anyway(Reach::Replicas);
    context.after.published |= receivers > 0 && context.client.is_listener();
    context.reply.int(receivers as i64);
    Ok(())
}

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::PUBSUB.with(Flags::LOADING).with(Flags::STALE),
    since: "2.8.0",
    group: Group::PubSub,
    ..CommandSpec::BASE
};

/// PUBSUB
pub static PUBSUB: CommandSpec = CommandSpec {
    name: "pubsub",
    arity: -2,
    flags: Flags::NONE,
    acl: AclCategories::NONE,
    complexity: "That of the subcommand",
    summary: "Commands about who listens to what.",
    subcommands: SUBCOMMANDS,
    ..SUBCOMMAND
};

const SUBCOMMANDS: Subcommands = &[&CHANNELS, &HELP, &NUMPAT, &NUMSUB, &SHARDCHANNELS, &SHARDNUMSUB];

/// PUBSUB HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE),
    since: "6.2.0",
    summary: "Lists the subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// PUBSUB CHANNELS
pub static CHANNELS: CommandSpec = CommandSpec {
    name: "channels",
    arity: -2,
    complexity: "O(N), N being the channels anybody listens to",
    summary: "Tells the channels somebody listens to, of those that match the pattern.",
    syntax: "[pattern]",
    handler: |context| names(context, Space::Channel),
    ..SUBCOMMAND
};

/// PUBSUB SHARDCHANNELS
pub static SHARDCHANNELS: CommandSpec = CommandSpec {
    name: "shardchannels",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N), N being the channels of slots anybody listens to",
    summary: "Tells the channels of slots somebody listens to, of those that match the pattern.",
    syntax: "[pattern]",
    handler: |context| names(context, Space::Shard),
    ..SUBCOMMAND
};

fn names(context: &mut Context<'_>, space: Space) -> CommandResult {
    if context.argv.len() > 3 {
        return Err(error::unknown_subcommand_or_arity("PUBSUB", context.argv.at(1)));
    }
    let names = context.server.pubsub.names(space, context.argv.get(2));
    context.reply.array(names.len());
    names.iter().for_each(|name| context.reply.bulk(name));
    Ok(())
}

/// PUBSUB NUMPAT
pub static NUMPAT: CommandSpec = CommandSpec {
    name: "numpat",
    summary: "Counts the distinct patterns somebody listens to.",
    handler: numpat,
    ..SUBCOMMAND
};

fn numpat(context: &mut Context<'_>) -> CommandResult {
    context.reply.int(context.server.pubsub.len(Space::Pattern) as i64);
    Ok(())
}

/// PUBSUB NUMSUB
pub static NUMSUB: CommandSpec = CommandSpec {
    name: "numsub",
    arity: -2,
    complexity: "O(N), N being the channels named",
    summary: "Counts who listens to channels, patterns left aside.",
    syntax: "[channel [channel ...]]",
    handler: |context| numbers(context, Space::Channel),
    ..SUBCOMMAND
};

/// PUBSUB SHARDNUMSUB
pub static SHARDNUMSUB: CommandSpec = CommandSpec {
    name: "shardnumsub",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N), N being the channels named",
    summary: "Counts who listens to channels of slots.",
    syntax: "[shardchannel [shardchannel ...]]",
    handler: |context| numbers(context, Space::Shard),
    ..SUBCOMMAND
};

fn numbers(context: &mut Context<'_>, space: Space) -> CommandResult {
    context.reply.array((context.argv.len() - 2) * 2);
    for channel in context.argv.iter().skip(2) {
        context.reply.bulk(channel);
        context.reply.int(context.server.pubsub.listeners(space, channel) as i64);
    }
    Ok(())
}

/// Whether a client that listens to channels and speaks RESP2 may call the command.
pub(crate) fn is_for_listeners(command: &crate::command::Command) -> bool {
    let own = [&SUBSCRIBE, &PSUBSCRIBE, &SSUBSCRIBE, &UNSUBSCRIBE, &PUNSUBSCRIBE, &SUNSUBSCRIBE];
    let others = [&super::connection::PING, &super::connection::QUIT, &super::connection::RESET];
    own.into_iter().chain(others).any(|spec| std::ptr::eq(spec, command.spec))
}

/// The commands of this family.
pub const ALL: &[&CommandSpec] =
    &[&PSUBSCRIBE, &PUBLISH, &PUBSUB, &PUNSUBSCRIBE, &SPUBLISH, &SSUBSCRIBE, &SUBSCRIBE, &SUNSUBSCRIBE, &UNSUBSCRIBE];
