//! LCS: the longest common subsequence of two strings.

use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::Error;
use ochre_store::string::{self, Lcs, LcsMatch};

/// LCS
pub static LCS: CommandSpec = CommandSpec {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY,
    acl: AclCategories::STRING,
    keys: &[KeySpec { flags: KeyFlags::RO.with(KeyFlags::ACCESS), begin: Begin::Index(1), find: Find::Range { last: 1, step: 1, limit: 0 } }],
    lock: LockClass::Keys,
    since: "7.0.0",
    group: Group::String,
    complexity: "O(N*M), N and M being the lengths of the strings",
    summary: "Finds the longest common subsequence of two strings.",
    syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    handler: lcs,
    ..CommandSpec::BASE
};

fn lcs(context: &mut Context<'_>) -> CommandResult {
    let (db, keys) = (context.db(), [context.key(1), context.key(2)]);
    let args = LcsArgs::parse(context.argv);
    let [first, second] = keys.map(|key| string::get(&mut context.txn, db, key).map(|value| value.map(|value| value.to_vec())));
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&LCS];

/// What the reply tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Text,
    Length,
    Matches,
}

/// The options of LCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LcsArgs {
    show: Show,
    /// Shorter matches are not shown.
    match_len_min: u64,
    with_match_len: bool,
}

impl LcsArgs {
    fn parse(argv: Argv<'_>) -> Result<LcsArgs, CommandError> {
        let mut cursor = argv.cursor(3);
        let (mut length, mut matches) = (false, false);
        let mut args = LcsArgs { show: Show::Text, match_len_min: 0, with_match_len: false };
        while !cursor.is_done() {
            if cursor.token("LEN") {
                length = true;
            } else if cursor.token("IDX") {
                matches = true;
            } else if cursor.token("WITHMATCHLEN") {
                args.with_match_len = true;
            } else if cursor.token("MINMATCHLEN") {
                args.match_len_min = u64::try_from(cursor.int()?).unwrap_or(0);
            } else {
                return Err(error::SYNTAX);
            }
        }
        args.show = match (length, matches) {
            (true, true) => return Err(error::LCS_LENGTH_AND_MATCHES),
            (true, false) => Show::Length,
            (false, true) => Show::Matches,
            (false, false) => Show::Text,
        };
        Ok(args)
    }
}
