//! Where a handler runs, how input arrives and how much the socket takes do not matter.

use cherrystone_oracles::{hunt, targets};

#[test]
fn many_plays_say_the_same_in_each_way() {
    for n in 0..5_000 {
        targets::exchange(&hunt::input("exchange", n));
    }
}
