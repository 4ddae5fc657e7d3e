//! Does the example of an embedder's own runtime do what it shows?

#[path = "../examples/own_runtime.rs"]
mod own_runtime;

#[test]
fn the_runtime_of_the_example_conforms() {
    own_runtime::main().unwrap();
}
