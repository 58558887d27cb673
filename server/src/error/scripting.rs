//! The error texts of scripts and functions.

use super::{CommandError, Reason, no_permission, quoting, until_nul};
use ochre_scripting::ShebangError;

texts! {
    /// EVALSHA of what is not known.
    NO_SCRIPT = "NOSCRIPT No matching script. Please use EVAL.";
    /// EVAL.
    NEGATIVE_KEYS = "ERR Number of keys can't be negative";
    /// EVAL_RO of a script that says it writes.
    WRITING_SCRIPT_READ_ONLY = "ERR Can not execute a script with write flag using *_ro command.";
    /// FCALL.
    NO_FUNCTION = "ERR Function not found";
    /// FCALL.
    BAD_KEY_COUNT = "ERR Bad number of keys provided";
    /// FUNCTION DELETE.
    NO_LIBRARY = "ERR Library not found";
    /// FUNCTION FLUSH.
    FUNCTION_FLUSH = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option";
    /// FUNCTION LIST.
    LIBRARY_NAME_MISSING = "ERR library name argument was not given";
    /// FUNCTION LOAD.
    FUNCTION_CODE_MISSING = "ERR Function code is missing";
    /// FUNCTION RESTORE.
    RESTORE_POLICY = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
    /// A script that minds, while memory is over its limit.
    SCRIPT_OOM = "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";
    /// A script calls a command that does not exist.
    UNKNOWN_FROM_SCRIPT = "ERR Unknown Redis command called from script";
    /// A script calls a command with too many or too few arguments.
    ARITY_FROM_SCRIPT = "ERR Wrong number of args calling Redis command from script";
    /// A script calls a command that is not for scripts.
    NOT_FROM_SCRIPT = "ERR This Redis command is not allowed from script";
    /// A script writes that may not.
    WRITE_FROM_READ_ONLY_SCRIPT = "ERR Write commands are not allowed from read-only scripts.";
    /// SCRIPT DEBUG.
    SCRIPT_DEBUG = "ERR Use SCRIPT DEBUG YES/SYNC/NO";
    /// A command of a script that is debugged on a copy.
    NOT_ON_COPY = "ERR This command cannot be debugged on a copy of the data: use SCRIPT DEBUG SYNC";
    /// A change by a script that is debugged on a copy.
    TOO_MUCH_ON_COPY = "ERR The script changes too much to be debugged on a copy of the data: use SCRIPT DEBUG SYNC";
    /// SCRIPT DEBUG SYNC over TLS.
    DEBUG_OVER_TLS = "ERR Scripts cannot be debugged over an encrypted connection";
    /// EVALSHA while scripts are debugged.
    DEBUG_BY_NAME = "ERR Please use EVAL instead of EVALSHA for debugging";
    /// EVAL in the debugger behind commands whose replies are not sent yet.
    DEBUG_IN_PIPELINE = "ERR A script can be debugged only outside a pipeline";
    /// SCRIPT FLUSH.
    SCRIPT_FLUSH = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
    /// While a script takes long.
    BUSY_SCRIPT = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    /// While a function takes long.
    BUSY_FUNCTION = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    /// SCRIPT KILL of what has changed something.
    UNKILLABLE = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
    /// SCRIPT KILL.
    NOT_BUSY = "NOTBUSY No scripts in execution right now.";
}

/// A command that the user may not execute, called from a script.
pub fn no_permission_in_script(user: &[u8], command: &str, reason: Reason, old_text: bool) -> CommandError {
    if !old_text {
        let why = no_permission(user, command, reason, false).text().replacen("NOPERM ", "", 1);
        return CommandError::Message(format!("NOPERM ACL failure in script: {why}"));
    }
    CommandError::Text(match reason {
        Reason::Command => "ERR The user executing the script can't run this command or subcommand",
        Reason::Key => {
            "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"
        }
        Reason::Channel => "ERR The user executing the script can't publish to the channel mentioned in the command",
        Reason::Auth | Reason::Database | Reason::Certificate => {
            "ERR The user executing the script lacking the permissions for the command"
        }
    })
}

/// An option of FUNCTION LIST that does not exist.
pub fn unknown_function_argument(argument: &[u8]) -> CommandError {
    quoting(&[b"ERR Unknown argument ", until_nul(argument)])
}

/// An option of FUNCTION LOAD that does not exist.
pub fn unknown_load_option(option: &[u8]) -> CommandError {
    quoting(&[b"ERR Unknown option given: ", until_nul(option)])
}

/// A script asks for a wait; the command is shown as the script wrote it.
pub fn block_from_script(command: &[u8]) -> CommandError {
    quoting(&[b"ERR ", until_nul(command), b" command is not allowed with BLOCK option from scripts"])
}

/// The first line of a script.
pub fn bad_shebang(wrong: &ShebangError) -> CommandError {
    match wrong {
        ShebangError::Endless => CommandError::Text("ERR Invalid script shebang"),
        ShebangError::NoEngine => CommandError::Text("ERR Invalid engine in script shebang"),
        ShebangError::Engine(name) => quoting(&[b"ERR Unexpected engine in script shebang: ", name]),
        ShebangError::Flag(name) => quoting(&[b"ERR Unexpected flag in script shebang: ", name]),
        ShebangError::Option(name) => quoting(&[b"ERR Unknown lua shebang option: ", name]),
    }
}

/// The compiler's complaint of a script.
pub fn script_does_not_compile(why: &str) -> CommandError {
    CommandError::Message(format!("ERR Error compiling script (new function): {why}"))
}

/// There is no Lua state, or no thread for it.
pub fn no_lua(why: &str) -> CommandError {
    CommandError::Message(format!("ERR Scripts cannot run: {why}"))
}
