//! Users as rules that make them again.

use super::pattern::KeyPattern;
use super::rule::digits;
use super::selector::Selector;
use super::user::{RuleSet, User};
use crate::command::{AclCategories, Command};

impl User {
    /// The flags: `on`, `nopass` and the like.
    pub fn flags(&self, set: &RuleSet<'_>) -> Vec<&'static str> {
        let mut flags = vec![if self.is_enabled() { "on" } else { "off" }];
        flags.extend(self.needs_no_password().then_some("nopass"));
        if set.level.shows_sanitizing() {
            flags.extend(self.sanitize().map(|on| if on { "sanitize-payload" } else { "skip-sanitize-payload" }));
        }
        flags
    }

    /// The hashes of the passwords, in hexadecimal digits.
    pub fn password_digits(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        self.passwords().iter().map(digits)
    }

    /// Rules that make this user of a new one, one selector in each at most.
    pub fn rules(&self, set: &RuleSet<'_>) -> Vec<Vec<u8>> {
        let mut rules: Vec<Vec<u8>> = self.flags(set).iter().map(|flag| flag.as_bytes().to_vec()).collect();
        rules.extend(self.password_digits().map(|digits| format!("#{digits}").into_bytes()));
        let mut selectors = self.selectors().iter();
        rules.extend(selectors.next().map(|own| own.rules(set)).unwrap_or_default());
        for selector in selectors {
            // Inside the parentheses words may be quoted, and where they would be read otherwise they must.
            let words: Vec<Vec<u8>> = selector.rules(set).into_iter().map(quoted).collect();
            rules.push([b"(", words.join(&b' ').as_slice(), b")"].concat());
        }
        rules
    }

    /// The line of ACL LIST and of ACL files, without its `user`.
    pub fn line(&self, set: &RuleSet<'_>) -> Vec<u8> {
        [self.name(), b" ".as_slice(), &self.rules(set).join(&b' ')].concat()
    }

    /// The line of a configuration file, without its `user`, in which words may be quoted.
    pub fn config_line(&self, set: &RuleSet<'_>) -> String {
        let name = quoted(self.name().to_vec());
        let words: Vec<Vec<u8>> = std::iter::once(name).chain(self.rules(set).into_iter().map(quoted)).collect();
        String::from_utf8_lossy(&words.join(&b' ')).into_owned()
    }
}

/// A word, in quotes if it would not be read as it is.
fn quoted(word: Vec<u8>) -> Vec<u8> {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\') || !(b' '..=b'~').contains(byte);
    if word.is_empty() || word.iter().any(is_special) { crate::config::quote(&word).into_bytes() } else { word }
}

impl Selector {
    /// The rules that make this selector of one that may nothing.
    fn rules(&self, set: &RuleSet<'_>) -> Vec<Vec<u8>> {
        let mut rules = self.key_rules();
        if self.channels.is_some() {
            rules.push(b"resetchannels".to_vec());
        }
        rules.extend(self.channel_rules());
        rules.extend(self.databases.as_ref().map(|_| self.database_rule().into_bytes()));
        rules.extend(self.command_rules(set).into_iter().map(String::into_bytes));
        rules
    }

    /// The patterns of keys.
    pub fn key_rules(&self) -> Vec<Vec<u8>> {
        match &self.keys {
            None => vec![b"~*".to_vec()],
            Some(patterns) => patterns.rules().iter().map(KeyPattern::rule).collect(),
        }
    }

    /// The patterns of channels.
    pub fn channel_rules(&self) -> Vec<Vec<u8>> {
        match &self.channels {
            None => vec![b"&*".to_vec()],
            Some(patterns) => patterns.iter().map(|pattern| [b"&", &**pattern].concat()).collect(),
        }
    }

    /// The databases.
    pub fn database_rule(&self) -> String {
        match &self.databases {
            None => "alldbs".to_owned(),
            Some(databases) if databases.is_empty() => "resetdbs".to_owned(),
            Some(databases) => {
                let numbers: Vec<String> = databases.iter().map(usize::to_string).collect();
                format!("db={}", numbers.join(","))
            }
        }
    }

    /// What may be called: `+@all` or `-@all`, and what differs from it.
    pub fn command_rules(&self, set: &RuleSet<'_>) -> Vec<String> {
        let mut rules = vec![if self.begins_with_all { "+@all" } else { "-@all" }.to_owned()];
        if set.level.rewrites_command_rules() {
            self.condense(set, &mut rules);
        } else {
            rules.extend(
                self.command_rules.iter().map(|rule| {
                    format!("{}{}", if rule.allow { '+' } else { '-' }, String::from_utf8_lossy(&rule.name))
                }),
            );
        }
        rules
    }

    /// Finds few rules that come to the same as those that were given: first whole categories, the best first, then
    /// single commands.
    fn condense(&self, set: &RuleSet<'_>, rules: &mut Vec<String>) {
        let adds = !self.begins_with_all;
        let sign = |allow| if allow { '+' } else { '-' };
        // What the rules so far come to, and what they leave of what is to be said.
        let (mut said, mut left) = (Selector::new(false), self.clone());
        said.set_all_commands(self.begins_with_all);
        let mut unused: Vec<&str> = AclCategories::all_names().collect();
        while let Some((place, name, category)) = left.best_category(&unused, adds, set) {
            said.set_category(category, adds, set.commands);
            left.set_category(category, !adds, set.commands);
            rules.push(format!("{}@{name}", sign(adds)));
            unused.remove(place);
        }
        for command in set.commands.all() {
            let allow = self.commands.contains(command.id);
            if allow != said.commands.contains(command.id) {
                rules.push(format!("{}{}", sign(allow), command.full_name));
                said.set_command(command, allow, set.commands);
            }
            if !allow {
                let own = self.first_arguments.iter().filter(|(id, _)| *id == command.id);
                rules.extend(
                    own.map(|(_, argument)| format!("+{}|{}", command.full_name, String::from_utf8_lossy(argument))),
                );
            }
        }
    }

    /// The category, with its place among the `unused`, that agrees with what is allowed in most respects.
    fn best_category<'n>(
        &self,
        unused: &[&'n str],
        adds: bool,
        set: &RuleSet<'_>,
    ) -> Option<(usize, &'n str, AclCategories)> {
        let mut best: Option<(usize, &str, AclCategories, usize, usize)> = None;
        for (place, name) in unused.iter().enumerate() {
            let Some(category) = AclCategories::from_name(name) else { continue };
            let is_member = |command: &&Command| command.spec.acl_categories().intersects(category);
            let members = set.commands.all().iter().filter(is_member);
            let (same, other): (Vec<&Command>, Vec<&Command>) =
                members.partition(|command| self.commands.contains(command.id) == adds);
            let (same, other) = (same.len(), other.len());
            let is_better = best.is_none_or(|(.., most, fewest)| other < fewest || other == fewest && same > most);
            if same > other && is_better {
                best = Some((place, name, category, same, other));
            }
        }
        best.map(|(place, name, category, ..)| (place, name, category))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::RuleError;
    use crate::command::CommandTable;
    use crate::config::Level;

    fn user(rules: &str, set: &RuleSet<'_>) -> Result<User, String> {
        let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
        let mut user = User::new(b"u", set);
        let text = |refused| match refused {
            RuleError::Rule(rule, fault) => format!("{}: {fault:?}", String::from_utf8_lossy(&rule)),
            RuleError::Unmatched(_) => "unmatched".to_owned(),
        };
        crate::acl::rule::merge_selectors(&words).and_then(|rules| user.apply_all(&rules, set)).map_err(text)?;
        Ok(user)
    }

    fn described(rules: &str, level: Level) -> String {
        let table = CommandTable::new(&crate::commands::all(), &[]).unwrap();
        let set = RuleSet { commands: &table, level, all_channels: false };
        match user(rules, &set) {
            Ok(made) => {
                let line = String::from_utf8(made.line(&set)).unwrap();
                let again = user(line.strip_prefix("u ").unwrap(), &set);
                assert_eq!(again.unwrap().selectors().len(), made.selectors().len(), "{line}");
                line
            }
            Err(error) => error,
        }
    }

    // Replies of Valkey 9.1 to ACL SETUSER and ACL LIST.
    #[test]
    fn native_descriptions() {
        for (rules, line) in [
            ("on nopass ~* +@all", "u on nopass ~* resetchannels +@all"),
            (
                "db=0,1 db=3 +get ~k* (db=2 +set allkeys)",
                "u off ~k* resetchannels db=3 -@all +get (~* resetchannels db=2 -@all +set)",
            ),
            ("alldbs resetdbs", "u off resetchannels resetdbs -@all"),
            ("+select|0 +select|1 -select +select|2 -@all +debug|digest", "u off resetchannels -@all +debug|digest"),
            ("+@all +client|id", "u off resetchannels +@all +client|id"),
            ("+config|get +@read +config -@READ +GET", "u off resetchannels -@all +config -@read +get"),
            ("%R~a %w~a %RW~b %R~c ()", "u off ~a ~b %R~c resetchannels -@all (resetchannels -@all)"),
            ("+get|x|y", "+get|x|y: Unknown"),
            ("~* ~x", "~x: AllKeys"),
            ("&* &x", "&x: AllChannels"),
            ("<x", "<x: NoSuchPassword"),
            ("+config|get|x", "+config|get|x: SubcommandArgument"),
            ("+config|nosuch", "+config|nosuch: Unknown"),
            ("-get|x", "-get|x: Unknown"),
            ("+get|", "+get|: Syntax"),
            ("(on)", "(on): Syntax"),
        ] {
            let found = described(rules, Level::Native);
            assert_eq!(found, line, "{rules}");
        }
    }

    // As the tests of Redis 7.0 expect it.
    #[test]
    fn old_descriptions() {
        for (rules, line) in [
            ("+@all +client|id", "u off resetchannels +@all"),
            ("+@all -memory|doctor", "u off resetchannels +@all -memory|doctor"),
            ("+memory|doctor +memory", "u off resetchannels -@all +memory"),
            ("-@all +acl +select|0", "u off resetchannels -@all +acl +select|0"),
            ("+@all -@string", "u off resetchannels +@all -@string"),
            ("reset +@stream", "u off sanitize-payload resetchannels -@all +@stream"),
            ("db=1", "db=1: Syntax"),
        ] {
            assert_eq!(described(rules, Level::V7_0), line, "{rules}");
        }
    }

    #[test]
    fn a_configuration_file_reads_back() {
        let table = CommandTable::new(&crate::commands::all(), &[]).unwrap();
        let set = RuleSet { commands: &table, level: Level::Native, all_channels: false };
        let mut odd = User::new(b"o\"dd\xff", &set);
        for rule in
            [b"on".as_slice(), b">secret", b"~a\"b", b"~\\'", b"&\x01", b"(\"~x\\\"y\" +get)", b"(~plain +@read)"]
        {
            odd.apply(rule, &set).unwrap();
        }
        let words = crate::config::words(odd.config_line(&set).as_bytes()).unwrap();
        assert_eq!(words[0], b"o\"dd\xff");
        let mut again = User::new(&words[0], &set);
        let words: Vec<&[u8]> = words[1..].iter().map(Vec::as_slice).collect();
        again.apply_all(&crate::acl::rule::merge_selectors(&words).unwrap(), &set).unwrap();
        assert_eq!(again, odd);
    }
}
