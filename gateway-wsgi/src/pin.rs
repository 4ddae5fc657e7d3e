//! How does a worker thread keep its identity in Python?
//!
//! A thread that Python did not start gets a new thread state each time that it attaches, and loses it when it detaches, and with it
//! everything in `threading.local`: the database connections of a framework, for example. Attaching costs more, too. So each worker
//! pins its state: Python counts how often a thread has attached, and one count more keeps the state until the thread ends. That count
//! is taken through `ctypes`, since it is a call of CPython's interface that has no safe form in Rust.
//!
//! Invariants:
//! 1. A thread pins its state once, and lets go of it when it ends. Without `ctypes` everything works, with new states.

use std::cell::OnceCell;

use pyo3::prelude::*;

thread_local! {
    static PIN: OnceCell<Option<Pin>> = const { OnceCell::new() };
}

/// The additional count of one thread.
struct Pin;

/// Keeps the Python state of this thread until the thread ends.
pub(crate) fn hold(py: Python<'_>) {
    PIN.with(|pin| {
        pin.get_or_init(|| count(py, "PyGILState_Ensure", None).is_ok().then_some(Pin));
    });
}

impl Drop for Pin {
    fn drop(&mut self) {
        /// What `PyGILState_Ensure` said: the thread was attached when it was called.
        const WAS_ATTACHED: i32 = 0;
        // An interpreter that ends has no use for the state any more.
        Python::try_attach(|py| count(py, "PyGILState_Release", Some(WAS_ATTACHED)).ok());
    }
}

fn count(py: Python<'_>, function: &str, argument: Option<i32>) -> PyResult<()> {
    let function = py.import("ctypes")?.getattr("pythonapi")?.getattr(function)?;
    match argument {
        None => function.call0()?,
        Some(argument) => function.call1((argument,))?,
    };
    Ok(())
}
