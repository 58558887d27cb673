//! Scripts in a file: logs of old versions hold them instead of what they did.

use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, Flags};
use crate::commands::function::is_function_call;
use crate::commands::script::{is_by_name, is_read_only};
use crate::context::{After, Context, Mode};
use crate::error;
use crate::net::KeyHashes;
use crate::scripting::{Busy, ScriptRequest, Sha, vm_options};
use crate::server::Server;
use ochre_resp::reply::{Protocol, ReplyWriter};
use ochre_resp::request::Span;
use ochre_scripting::{Host, LoadedLibrary, LogLevel, Names, Refusal, Replicate, Script, Shebang, Vm, sha1_hex};
use ochre_store::Txn;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// What is needed to run scripts; it is made when the first one comes.
#[derive(Default)]
pub(super) struct Scripts {
    vm: Option<Vm>,
    functions: Option<Vm>,
    libraries: HashMap<Vec<u8>, LoadedLibrary>,
}

impl Scripts {
    /// Does what a command wants of a script. What the script itself fails at is no error: it failed when it was run first.
    pub(super) fn run(
        &mut self,
        (server, client): (&Server, &mut Client),
        txn: Txn<'_>,
        command: &Command,
        argv: Argv<'_>,
        request: ScriptRequest,
    ) -> Result<(), String> {
        let ScriptRequest::Run { keys } = request else {
            let text = argv.at(2);
            let shebang = Shebang::parse(text).map_err(|wrong| error::bad_shebang(&wrong).text().into_owned())?;
            server.scripts.add(text, shebang, true);
            return Ok(());
        };
        let (vm, script) = if is_function_call(command) {
            self.function(server, argv.at(1))?
        } else if is_by_name(command) {
            let sha: Option<Sha> = argv.at(1).to_ascii_lowercase().try_into().ok();
            let source = sha.and_then(|sha| server.scripts.get(&sha)).ok_or("no matching script")?;
            self.script(server, &source.text)?
        } else {
            self.script(server, argv.at(1))?
        };
        let db = client.db;
        let mut caller = Caller {
            server,
            client,
            txn,
            is_read_only: is_read_only(command),
            command,
            argv,
            started: Instant::now(),
            busy: None,
        };
        let (arguments, mut reply) = (argv.from(3), Vec::new());
        let (keys, rest) = (arguments.to(keys), arguments.from(keys));
        let mut writer = ReplyWriter::new(&mut reply, Protocol::Resp2);
        vm.run(
            &script,
            Names { script: "of a file", source: None },
            keys.iter(),
            rest.iter(),
            &mut caller,
            &mut writer,
        );
        caller.is_over();
        client.db = db;
        if reply.starts_with(b"-") {
            tracing::debug!(error = %String::from_utf8_lossy(&reply), "a script of the append-only file failed");
        }
        Ok(())
    }

    fn script(&mut self, server: &Server, text: &[u8]) -> Result<(&Vm, Script), String> {
        let shebang = Shebang::parse(text).map_err(|wrong| error::bad_shebang(&wrong).text().into_owned())?;
        let vm = match &mut self.vm {
            Some(vm) => vm,
            none => none.insert(Vm::new(&vm_options(&server.config()))?),
        };
        let script = vm.compile(text.get(shebang.len..).unwrap_or_default())?;
        Ok((vm, script))
    }

    fn function(&mut self, server: &Server, name: &[u8]) -> Result<(&Vm, Script), String> {
        let function = server.functions.find(name).ok_or("no such function")?;
        let vm = match &mut self.functions {
            Some(vm) => vm,
            none => none.insert(Vm::for_functions(&vm_options(&server.config()))?),
        };
        // One of that name may have been replaced.
        let code = function.library.code.to_vec();
        if !self.libraries.contains_key(&code) {
            let loaded = vm.load_library(&code).map_err(|wrong| wrong.to_string())?;
            self.libraries.insert(code.clone(), loaded);
        }
        let script = self.libraries.get(&code).and_then(|library| library.script(function.name()));
        Ok((vm, script.ok_or("no such function")?))
    }
}

/// Runs the commands of a script. All shards are locked.
struct Caller<'r, 't> {
    server: &'r Server,
    client: &'r mut Client,
    txn: Txn<'t>,
    is_read_only: bool,
    command: &'r Command,
    argv: Argv<'r>,
    started: Instant,
    /// While it counts as busy.
    busy: Option<Arc<Busy>>,
}

impl Host for Caller<'_, '_> {
    fn call(
        &mut self,
        _: &mut Option<u16>,
        bytes: &[u8],
        spans: &[Span],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let argv = Argv::new(bytes, spans);
        let refuse = |error: error::CommandError| Err(Refusal::Because(error.text().into_owned()));
        let command = self.server.commands.resolve(argv);
        let Some(command) = command.filter(|command| !command.is_container() || argv.len() == 1) else {
            return refuse(error::UNKNOWN_FROM_SCRIPT);
        };
        if !command.spec.accepts(argv.len()) {
            return refuse(error::ARITY_FROM_SCRIPT);
        }
        if command.has(Flags::NOSCRIPT) {
            return refuse(error::NOT_FROM_SCRIPT);
        }
        if self.is_read_only && command.spec.flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE) {
            return refuse(error::WRITE_FROM_READ_ONLY_SCRIPT);
        }
        let spoken = std::mem::replace(&mut self.client.protocol, protocol);
        let mut after = After::default();
        let result = (command.spec.handler)(&mut Context {
            server: self.server,
            command,
            argv,
            txn: self.txn.part(),
            reply: ReplyWriter::new(reply, protocol),
            hashes: KeyHashes::default(),
            slice: None,
            mode: Mode::Script,
            client: &mut *self.client,
            after: &mut after,
        });
        self.client.protocol = spoken;
        if let Some(rewrite) = &mut self.client.rewrite {
            rewrite.clear();
        }
        if let Err(error) = result {
            reply.clear();
            error.write(&mut ReplyWriter::new(reply, protocol));
        }
        Ok(())
    }

    fn may_call(&mut self, bytes: &[u8], spans: &[Span]) -> Option<bool> {
        self.server.commands.resolve(Argv::new(bytes, spans)).map(|_| true)
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn replicate(&mut self, _: Replicate) {}

    fn interrupt(&mut self) -> bool {
        let threshold = self.server.config().busy_reply_threshold;
        let millis = self.started.elapsed().as_millis();
        if self.busy.is_none() && threshold > 0 && millis >= u128::from(threshold) {
            self.become_busy(millis);
        }
        self.server.shutdown.is_requested()
    }

    fn tell(&mut self, _: Vec<Vec<u8>>) {}

    fn ask(&mut self) -> Option<Vec<Vec<u8>>> {
        None
    }
}

impl Caller<'_, '_> {
    #[cold]
    fn become_busy(&mut self, millis: u128) {
        let is_function = is_function_call(self.command);
        let name = if is_function || is_by_name(self.command) {
            String::from_utf8_lossy(self.argv.at(1)).into_owned()
        } else {
            String::from_utf8_lossy(&sha1_hex(self.argv.at(1))).into_owned()
        };
        tracing::warn!(
            "Slow script detected: still in execution after {millis} milliseconds. It stands in the append-only file and \
             cannot be killed. Script name is: {name}."
        );
        let command = self.argv.iter().map(<[u8]>::to_vec).collect();
        let busy = Arc::new(Busy::new(name, is_function, command, self.started));
        // What was done once is to be done again.
        busy.fate.fix();
        self.server.busy_scripts.add(self.server, busy.clone());
        self.busy = Some(busy);
    }

    fn is_over(&mut self) {
        if let Some(busy) = self.busy.take() {
            self.server.busy_scripts.remove(self.server, &busy);
        }
    }
}
