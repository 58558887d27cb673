//! The committed lists: what a real server passes, what ours passes, and what it cannot pass.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::log::{Counts, missing};

/// Test names by unit, each with how often it occurs. The file has one `unit<TAB>name` a line, with `<TAB>x3` behind
/// it where the name occurs three times; lines at its head that begin with `#` are a remark, which is kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    tests: BTreeMap<String, Counts>,
    remark: String,
}

impl Ledger {
    /// Reads a file; one that does not exist is empty. Errs with the line that is not of the format.
    pub(crate) fn read(path: &Path) -> Result<Ledger> {
        if !path.exists() {
            return Ok(Ledger::default());
        }
        Ledger::parse(&fs::read_to_string(path)?).with_context(|| format!("in {}", path.display()))
    }

    /// Writes the file, sorted.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.to_text()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The tests of one unit.
    pub(crate) fn unit(&self, unit: &str) -> Option<&Counts> {
        self.tests.get(unit)
    }

    /// The units that have an entry.
    pub(crate) fn units(&self) -> impl Iterator<Item = &str> {
        self.tests.keys().map(String::as_str)
    }

    /// Whether this test is listed.
    pub(crate) fn holds(&self, unit: &str, test: &str) -> bool {
        self.unit(unit).is_some_and(|tests| tests.contains_key(test))
    }

    /// The number of tests listed for a unit.
    pub(crate) fn total(&self, unit: &str) -> u32 {
        self.unit(unit).map_or(0, |tests| tests.values().sum())
    }

    /// Adds the tests that passed and are not listed, or not as often, and returns how many that were. Only names that
    /// `reference` has are taken: others are made up anew in each run. Nothing is removed.
    pub(crate) fn add(&mut self, unit: &str, passed: &Counts, reference: &Ledger) -> u32 {
        let known = reference.unit(unit);
        let mut added = 0;
        for (name, &count) in passed {
            let Some(&most) = known.and_then(|known| known.get(name)) else { continue };
            let listed = self.tests.entry(unit.to_owned()).or_default().entry(name.clone()).or_default();
            let wanted = count.min(most).max(*listed);
            added += wanted - *listed;
            *listed = wanted;
        }
        added
    }

    /// Takes a unit's tests as they are, or, where the unit is listed already, what both runs have in common: what is
    /// left after two runs does not change from run to run.
    pub(crate) fn record(&mut self, unit: &str, passed: &Counts) {
        match self.tests.get_mut(unit) {
            None => {
                self.tests.insert(unit.to_owned(), passed.clone());
            }
            Some(listed) => {
                listed.retain(|name, count| {
                    *count = passed.get(name).copied().unwrap_or(0).min(*count);
                    *count > 0
                });
            }
        }
    }

    /// The listed tests of a unit that `passed` lacks, with how often they are missing.
    pub(crate) fn missing(&self, unit: &str, passed: &Counts) -> Counts {
        self.unit(unit).map(|listed| missing(listed, passed)).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Ledger> {
        let mut ledger = Ledger::default();
        let remarks = text.lines().take_while(|line| line.starts_with('#'));
        ledger.remark = remarks.map(|line| format!("{line}\n")).collect();
        for (at, line) in text.lines().enumerate().skip(ledger.remark.lines().count()) {
            let mut fields = line.split('\t');
            let (Some(unit), Some(name), times, None) = (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                bail!("line {}: not `unit<TAB>test name`", at + 1);
            };
            let count = match times.map(|t| t.strip_prefix('x').and_then(|n| n.parse().ok())) {
                None => 1,
                Some(Some(count)) => count,
                Some(None) => bail!("line {}: the third field is not a count like x2", at + 1),
            };
            *ledger.tests.entry(unit.to_owned()).or_default().entry(name.to_owned()).or_default() += count;
        }
        Ok(ledger)
    }

    fn to_text(&self) -> String {
        let mut out = self.remark.clone();
        for (unit, tests) in &self.tests {
            for (name, count) in tests {
                let times = if *count > 1 { format!("\tx{count}") } else { String::new() };
                // A String takes every write.
                let _ = writeln!(out, "{unit}\t{name}{times}");
            }
        }
        out
    }
}

/// The tests that cannot pass, each with its reason: `[[difference]]` tables with `unit`, `test` and `reason`.
#[derive(Debug, Default)]
pub(crate) struct Differences(BTreeMap<(String, String), String>);

impl Differences {
    /// Reads the file. Errs on an entry without a reason, or one that `reference` does not know, or that `passing`
    /// lists as passing.
    pub(crate) fn read(path: &Path, reference: &Ledger, passing: &Ledger) -> Result<Differences> {
        if !path.exists() {
            return Ok(Differences::default());
        }
        let text = fs::read_to_string(path)?;
        Differences::parse(&text, reference, passing).with_context(|| format!("in {}", path.display()))
    }

    /// Why this test cannot pass.
    pub(crate) fn reason(&self, unit: &str, test: &str) -> Option<&str> {
        self.0.get(&(unit.to_owned(), test.to_owned())).map(String::as_str)
    }

    fn parse(text: &str, reference: &Ledger, passing: &Ledger) -> Result<Differences> {
        let table: toml::Table = text.parse()?;
        let mut differences = Differences::default();
        if let Some(other) = table.keys().find(|key| *key != "difference") {
            bail!("unknown table `{other}`");
        }
        let entries = table.get("difference").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for entry in entries {
            let field = |name: &str| {
                let text = entry.get(name).and_then(toml::Value::as_str).map(str::trim).filter(|text| !text.is_empty());
                text.with_context(|| format!("an entry lacks its `{name}`: {entry}"))
            };
            let (unit, test, reason) = (field("unit")?, field("test")?, field("reason")?);
            if !reference.holds(unit, test) {
                bail!("the suite has no test `{test}` in {unit}");
            }
            if passing.holds(unit, test) {
                bail!("`{test}` of {unit} is listed as passing");
            }
            if differences.0.insert((unit.to_owned(), test.to_owned()), reason.to_owned()).is_some() {
                bail!("`{test}` of {unit} is listed twice");
            }
        }
        Ok(differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u32)]) -> Counts {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn ledger(text: &str) -> Ledger {
        Ledger::parse(text).unwrap()
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let text = "# why\n# not\nunit/a\tone\nunit/a\ttwo\tx3\nunit/b\tone\n";
        assert_eq!(ledger(text).to_text(), text);
        assert_eq!(ledger(text).total("unit/a"), 4);
        assert!(Ledger::parse("no tab\n").is_err());
        assert!(Ledger::parse("unit/a\tname\tthrice\n").is_err());
    }

    #[test]
    fn adding_takes_only_known_names_and_never_removes() {
        let reference = ledger("unit/a\tone\nunit/a\ttwo\tx2\n");
        let mut passing = ledger("unit/a\tone\n");
        assert_eq!(passing.add("unit/a", &counts(&[("two", 5), ("random 17", 1)]), &reference), 2);
        assert_eq!(passing.to_text(), "unit/a\tone\nunit/a\ttwo\tx2\n");
    }

    #[test]
    fn a_test_that_passes_less_often_than_listed_is_missing() {
        let passing = ledger("unit/a\tone\tx2\nunit/a\ttwo\n");
        assert_eq!(passing.missing("unit/a", &counts(&[("one", 1), ("two", 1)])), counts(&[("one", 1)]));
        assert!(passing.missing("unit/a", &counts(&[("one", 2), ("two", 1)])).is_empty());
    }

    #[test]
    fn recording_twice_keeps_what_is_common() {
        let mut reference = Ledger::default();
        reference.record("unit/a", &counts(&[("one", 2), ("seed 1", 1)]));
        reference.record("unit/a", &counts(&[("one", 3), ("seed 2", 1)]));
        assert_eq!(reference.to_text(), "unit/a\tone\tx2\n");
    }

    #[test]
    fn a_difference_must_exist_have_a_reason_and_not_pass() {
        let reference = ledger("unit/a\tone\nunit/a\ttwo\n");
        let entry = |test: &str, reason: &str| {
            format!("[[difference]]\nunit = \"unit/a\"\ntest = \"{test}\"\nreason = \"{reason}\"\n")
        };
        let check = |text: &str| Differences::parse(text, &reference, &ledger("unit/a\ttwo\n"));
        assert_eq!(check(&entry("one", "no fork")).unwrap().reason("unit/a", "one"), Some("no fork"));
        assert!(check(&entry("one", " ")).is_err());
        assert!(check(&entry("three", "gone")).is_err());
        assert!(check(&entry("two", "passes")).is_err());
        assert!(check(&(entry("one", "a") + &entry("one", "b"))).is_err());
    }
}
