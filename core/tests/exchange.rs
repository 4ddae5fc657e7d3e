//! Where a handler runs, how input arrives and how much the socket takes do not matter.

use arbitrary::{Arbitrary, Unstructured};
use cherrystone_oracles::exchange::{self, Play};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_handler(dice in proptest::collection::vec(any::<u8>(), 20..400)) {
        if let Ok(play) = Play::arbitrary(&mut Unstructured::new(&dice)) {
            exchange::check(&play);
        }
    }
}
