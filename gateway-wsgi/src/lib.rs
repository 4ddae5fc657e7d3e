//! How does a Python application get its requests from this server?
//!
//! This crate is the native part of the Python package `cherrystone`: the module `cherrystone._cherrystone`. [`gateway`] answers a
//! request by calling an application with the WSGI interface (PEP 3333), [`engine`] gives Python a server to start and stop. The
//! classes that people use are written in Python, on top of it.
//!
//! ```text
//! worker thread:  request ─▶ small content is read ─▶ │ environ, application, answer │ ─▶ answer is sent
//!                             (detached)              │ (attached to Python)         │    (detached)
//!                                                     └─ read, write: detached again while they wait
//! ```
//!
//! Invariants:
//! 1. A thread never waits for a client while it is attached to Python.
//! 2. Python objects of an exchange outlive it harmlessly: once it is over, or on another thread, they raise.
//! 3. Whatever the application does, the client gets one answer, or sees that it got none.

pub mod engine;
mod environ;
mod exchange;
mod file;
pub mod gateway;
mod head;
mod input;
mod latin1;
mod outcome;
mod pin;
mod spool;
mod talk;
mod tls;

use pyo3::prelude::*;

/// The native part of the package `cherrystone`.
#[pymodule]
mod _cherrystone {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::engine::Engine;
    #[pymodule_export]
    use crate::exchange::Exchange;
    #[pymodule_export]
    use crate::file::FileWrapper;
    #[pymodule_export]
    use crate::input::Input;
    #[pymodule_export]
    use crate::talk::in_request;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        module.add("InputError", py.get_type::<crate::input::InputError>())?;
        module.add("InputUnavailable", py.get_type::<crate::input::InputUnavailable>())?;
        module.add("MaxSizeExceeded", py.get_type::<crate::input::MaxSizeExceeded>())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
