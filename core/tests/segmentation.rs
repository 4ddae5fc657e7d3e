//! Requests, content, trailers, violations and answers depend on the octets, not on how they arrived.

use cherrystone_oracles::traffic::Traffic;
use cherrystone_oracles::{rules, segmentation, wire};
use proptest::prelude::*;

#[test]
fn every_sample_every_cut() {
    for sample in wire::SAMPLES {
        for rules in [0, 1] {
            for manner in 0..5 {
                segmentation::check(sample.octets.as_bytes(), &rules::config(rules), manner, &[7, 1, 3]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn generated_streams(
        dice in proptest::collection::vec(any::<u8>(), 16..400),
        rules in 0..4_u8,
        manner in 0..5_u8,
        cuts in proptest::collection::vec(1..40_u8, 1..8),
    ) {
        segmentation::check(&Traffic::from_dice(&dice).octets, &rules::config(rules), manner, &cuts);
    }
}
