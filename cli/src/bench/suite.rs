//! The built-in tests.

use crate::bench::template::{Template, payload};

/// A built-in test: the names that select it, its title, and the request it sends.
struct Test {
    names: &'static [&'static str],
    title: &'static str,
    request: Request,
}

enum Request {
    /// Sent as it is.
    Inline(&'static [u8]),
    /// Arguments with the placeholders `__rand_int__` and `__data__`.
    Arguments(&'static [&'static str]),
    /// The command, followed by this many repetitions of the arguments.
    Repeated(&'static str, usize, &'static [&'static str]),
}

use Request::{Arguments, Inline, Repeated};

/// In the order they run. A score is random only when keys are (see [`TestSet::templates`]).
const TESTS: &[Test] = &[
    Test { names: &["ping_inline", "ping"], title: "PING_INLINE", request: Inline(b"PING\r\n") },
    Test { names: &["ping_mbulk", "ping"], title: "PING_MBULK", request: Arguments(&["PING"]) },
    Test { names: &["set"], title: "SET", request: Arguments(&["SET", "key:__rand_int__", "__data__"]) },
    Test { names: &["get"], title: "GET", request: Arguments(&["GET", "key:__rand_int__"]) },
    Test { names: &["incr"], title: "INCR", request: Arguments(&["INCR", "counter:__rand_int__"]) },
    Test { names: &["lpush"], title: "LPUSH", request: Arguments(&["LPUSH", "mylist", "__data__"]) },
    Test { names: &["rpush"], title: "RPUSH", request: Arguments(&["RPUSH", "mylist", "__data__"]) },
    Test { names: &["lpop"], title: "LPOP", request: Arguments(&["LPOP", "mylist"]) },
    Test { names: &["rpop"], title: "RPOP", request: Arguments(&["RPOP", "mylist"]) },
    Test { names: &["sadd"], title: "SADD", request: Arguments(&["SADD", "myset", "element:__rand_int__"]) },
    Test {
        names: &["hset"],
        title: "HSET",
        request: Arguments(&["HSET", "myhash", "element:__rand_int__", "__data__"]),
    },
    Test { names: &["spop"], title: "SPOP", request: Arguments(&["SPOP", "myset"]) },
    Test {
        names: &["zadd"],
        title: "ZADD",
        request: Arguments(&["ZADD", "myzset", "__score__", "element:__rand_int__"]),
    },
    Test { names: &["zpopmin"], title: "ZPOPMIN", request: Arguments(&["ZPOPMIN", "myzset"]) },
    Test {
        names: &["lrange", "lrange_100", "lrange_300", "lrange_500", "lrange_600"],
        title: "LPUSH (needed to benchmark LRANGE)",
        request: Arguments(&["LPUSH", "mylist", "__data__"]),
    },
    Test {
        names: &["lrange", "lrange_100"],
        title: "LRANGE_100 (first 100 elements)",
        request: Arguments(&["LRANGE", "mylist", "0", "99"]),
    },
    Test {
        names: &["lrange", "lrange_300"],
        title: "LRANGE_300 (first 300 elements)",
        request: Arguments(&["LRANGE", "mylist", "0", "299"]),
    },
    Test {
        names: &["lrange", "lrange_500"],
        title: "LRANGE_500 (first 500 elements)",
        request: Arguments(&["LRANGE", "mylist", "0", "499"]),
    },
    Test {
        names: &["lrange", "lrange_600"],
        title: "LRANGE_600 (first 600 elements)",
        request: Arguments(&["LRANGE", "mylist", "0", "599"]),
    },
    Test {
        names: &["mset"],
        title: "MSET (10 keys)",
        request: Repeated("MSET", 10, &["key:__rand_int__", "__data__"]),
    },
    Test { names: &["mget"], title: "MGET (10 keys)", request: Repeated("MGET", 10, &["key:__rand_int__"]) },
    Test { names: &["xadd"], title: "XADD", request: Arguments(&["XADD", "mystream", "*", "myfield", "__data__"]) },
];

/// A selection of the built-in tests, by index, in running order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSet(Vec<usize>);

impl TestSet {
    /// Every test.
    #[must_use]
    pub fn all() -> Self {
        Self((0..TESTS.len()).collect())
    }

    /// The tests that `names` (separated by commas, in any case) select.
    ///
    /// # Errors
    /// A sentence that names the first unknown test and lists the known ones.
    pub fn named(names: &str) -> Result<Self, String> {
        let wanted: Vec<String> = names.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        if let Some(unknown) = wanted.iter().find(|name| !TESTS.iter().any(|test| test.names.contains(&name.as_str())))
        {
            return Err(format!("Unknown test '{unknown}' in -t. The tests are: {}", known_names().join(", ")));
        }
        let chosen = |test: &Test| test.names.iter().any(|name| wanted.iter().any(|want| want == name));
        Ok(Self(TESTS.iter().enumerate().filter(|(_, test)| chosen(test)).map(|(index, _)| index).collect()))
    }

    /// Titles and requests of the selected tests. `payload_len` is the length of `__data__` in bytes; `random` says
    /// whether random numbers are in use, on which the scores of ZADD depend.
    pub fn templates(&self, payload_len: usize, random: bool) -> impl Iterator<Item = (&'static str, Template)> {
        let data = payload(payload_len);
        self.0.iter().filter_map(|index| TESTS.get(*index)).map(move |test| {
            let template = match test.request {
                Inline(line) => Template::raw(line.to_vec()),
                Arguments(arguments) => Template::command(&fill(arguments, &data, random)),
                Repeated(name, times, arguments) => {
                    let mut all = vec![name.as_bytes().to_vec()];
                    for _ in 0..times {
                        all.extend(fill(arguments, &data, random));
                    }
                    Template::command(&all)
                }
            };
            (test.title, template)
        })
    }
}

fn fill(arguments: &[&str], data: &[u8], random: bool) -> Vec<Vec<u8>> {
    let score: &[u8] = if random { b"__rand_int__" } else { b"0" };
    let filled = arguments.iter().map(|argument| match *argument {
        "__data__" => data,
        "__score__" => score,
        other => other.as_bytes(),
    });
    filled.map(<[u8]>::to_vec).collect()
}

fn known_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for name in TESTS.iter().flat_map(|test| test.names) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(names: &str) -> Vec<&'static str> {
        TestSet::named(names).unwrap().templates(3, false).map(|(title, _)| title).collect()
    }

    #[test]
    fn names_select_tests_in_running_order() {
        assert_eq!(titles("get,SET"), ["SET", "GET"]);
        assert_eq!(titles("ping"), ["PING_INLINE", "PING_MBULK"]);
        assert_eq!(titles("lrange_300"), ["LPUSH (needed to benchmark LRANGE)", "LRANGE_300 (first 300 elements)"]);
    }

    #[test]
    fn unknown_names_are_refused() {
        let error = TestSet::named("set,nothing").unwrap_err();
        assert!(error.contains("'nothing'") && error.contains("lrange_600"), "{error}");
    }

    #[test]
    fn scores_are_random_only_when_keys_are() {
        let request = |random| TestSet::named("zadd").unwrap().templates(3, random).next().unwrap().1;
        assert_eq!(request(false).placeholders().len(), 1);
        assert_eq!(request(true).placeholders().len(), 2);
    }
}
