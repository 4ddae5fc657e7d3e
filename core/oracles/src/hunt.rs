//! Which inputs does a hunt without a fuzzer try?
//!
//! [`input`] makes the `n`th input of a target: streams of requests and samples with an octet or two changed, or dice. It has no idea
//! of coverage, but it needs nothing but a stable compiler, and the same number gives the same input. The planted faults of
//! `fuzz/faults` are hunted with it.
//!
//! ```
//! use cherrystone_oracles::{hunt, targets};
//!
//! for (name, run) in targets::ALL {
//!     (0..20).for_each(|n| run(&hunt::input(name, n)));
//! }
//! ```

use crate::simulation::Script;
use crate::traffic::Traffic;
use crate::wire::{SAMPLES, TARGETS};

/// The `n`th input of a target.
pub fn input(target: &str, n: u64) -> Vec<u8> {
    let mut dice = Dice(n);
    match target {
        "simulation" => Script::from_seed(n).to_string().into_bytes(),
        "split" => [stream(&mut dice), dice.octets(4)].concat(),
        "accepts" => stream(&mut dice),
        "target" => {
            let mut target = dice.one_of(TARGETS).as_bytes().to_vec();
            dice.change(&mut target);
            target.push(dice.throw() as u8);
            target
        }
        "chunked" => {
            let contents = SAMPLES.iter().filter_map(|sample| sample.octets.split_once("chunked\r\n\r\n"));
            let contents: Vec<_> = contents.map(|(_, content)| content).collect();
            let mut content = dice.one_of(&contents).as_bytes().to_vec();
            dice.change(&mut content);
            [content, dice.octets(2)].concat()
        }
        _ => {
            let len = 20 + dice.throw() as usize % 400;
            dice.octets(len)
        }
    }
}

/// A stream of requests, or a sample that is a little changed.
fn stream(dice: &mut Dice) -> Vec<u8> {
    if dice.throw().is_multiple_of(2) {
        return Traffic::from_dice(&dice.octets(300)).octets;
    }
    let samples: Vec<_> = SAMPLES.iter().map(|sample| sample.octets).collect();
    let mut stream = dice.one_of(&samples).as_bytes().to_vec();
    dice.change(&mut stream);
    stream
}

/// Chance, from one number (SplitMix64).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn octets(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.throw() as u8).collect()
    }

    fn one_of<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.throw() as usize % from.len()]
    }

    /// Changes no octet, one or two.
    fn change(&mut self, octets: &mut Vec<u8>) {
        const TELLING: &[u8] = b"\r\n \t:;,+-0129aF\"\\%/?\0\x7f\xff";
        for _ in 0..self.throw() % 3 {
            let at = self.throw() as usize % (octets.len() + 1);
            let octet = TELLING[self.throw() as usize % TELLING.len()];
            match self.throw() % 3 {
                0 => octets.insert(at, octet),
                1 if at < octets.len() => octets[at] = octet,
                _ if at < octets.len() => drop(octets.remove(at)),
                _ => {}
            }
        }
    }
}
