//! `math.random` and `math.randomseed`: a generator of its own, so that a seed gives the same numbers everywhere (those of
//! `lrand48`).

use crate::args::{Args, function};
use mlua::{Function, Lua, Result, Value};
use std::cell::Cell;
use std::rc::Rc;

/// The state of the generator: 48 bits.
pub(crate) struct Generator(Cell<u64>);

impl Generator {
    pub(crate) fn new(seed: u32) -> Generator {
        let generator = Generator(Cell::default());
        generator.seed(seed);
        generator
    }
    fn seed(&self, seed: u32) {
        self.0.set(u64::from(seed) << 16 | 0x330e);
    }
    /// 31 bits.
    fn next(&self) -> u32 {
        let state = self.0.get().wrapping_mul(0x5_deec_e66d).wrapping_add(11) & 0xffff_ffff_ffff;
        self.0.set(state);
        (state >> 17) as u32
    }
    /// At least 0, below 1.
    fn unit(&self) -> f64 {
        const MAX: u32 = i32::MAX as u32;
        f64::from(self.next() % MAX) / f64::from(MAX)
    }
}

pub(crate) fn random(lua: &Lua, generator: Rc<Generator>) -> Result<Function> {
    function(lua, "random", move |args| {
        let unit = generator.unit();
        let number = match args.len() {
            0 => unit,
            1 => {
                let upper = int(&args, 0)?;
                if upper < 1 {
                    return args.bad(0, "interval is empty");
                }
                (unit * f64::from(upper)).floor() + 1.0
            }
            2 => {
                let (lower, upper) = (int(&args, 0)?, int(&args, 1)?);
                if lower > upper {
                    return args.bad(1, "interval is empty");
                }
                (unit * (f64::from(upper) - f64::from(lower) + 1.0)).floor() + f64::from(lower)
            }
            _ => return args.fail("wrong number of arguments"),
        };
        Ok(Value::Number(number))
    })
}

pub(crate) fn randomseed(lua: &Lua, generator: Rc<Generator>) -> Result<Function> {
    function(lua, "randomseed", move |args| {
        generator.seed(int(&args, 0)? as u32);
        Ok(())
    })
}

fn int(args: &Args<'_>, index: usize) -> Result<i32> {
    Ok(args.integer(index)? as i32)
}
