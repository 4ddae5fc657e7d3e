//! Does a server without threads start none?

#[path = "../examples/by_hand.rs"]
mod by_hand;

#[test]
fn the_example_serves_on_one_thread() {
    by_hand::main().unwrap();
}
