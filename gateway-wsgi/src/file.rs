//! How does an application answer with a file?
//!
//! It returns `environ["wsgi.file_wrapper"](file, block_size)`: a [`FileWrapper`]. A regular file in it is sent by the kernel, from
//! where the file stands; anything else that has a `read` is read in blocks (PEP 3333, "Optional Platform-Specific File Handling").
//!
//! Invariants:
//! 1. Only files whose octets are what `read` would give take the short way: an unpacking reader has a descriptor, too.

use std::fs::File;
use std::ops::Range;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

/// An iterable over the blocks of a file-like object.
#[pyclass(frozen, module = "cherrystone")]
pub(crate) struct FileWrapper {
    wrapped: Py<PyAny>,
    block: usize,
}

impl FileWrapper {
    /// The file-like object.
    pub(crate) fn wrapped<'a, 'py>(&'a self, py: Python<'py>) -> &'a Bound<'py, PyAny> {
        self.wrapped.bind(py)
    }
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=65536, /))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> Self {
        Self { wrapped: filelike, block: blksize.max(1) }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.wrapped(py).call_method1(intern!(py, "read"), (self.block,))?;
        let is_end =
            block.cast::<PyBytes>().map_or_else(|_| block.is_empty(), |bytes| Ok(bytes.as_bytes().is_empty()))?;
        Ok((!is_end).then_some(block))
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let wrapped = self.wrapped(py);
        if wrapped.hasattr(intern!(py, "close"))? {
            wrapped.call_method0(intern!(py, "close"))?;
        }
        Ok(())
    }

    /// The file-like object.
    #[getter]
    fn filelike(&self, py: Python<'_>) -> Py<PyAny> {
        self.wrapped.clone_ref(py)
    }
}

/// A handle of our own on a regular file, and what lies between its position and its end.
///
/// # Errors
/// The object raised.
pub(crate) fn regular(file: &Bound<'_, PyAny>) -> PyResult<Option<(File, Range<u64>)>> {
    let py = file.py();
    let kind = file.get_type();
    let is_plain = if kind.is(class(py, &BUFFERED, "BufferedReader")?) {
        file.getattr(intern!(py, "raw"))?.get_type().is(class(py, &RAW, "FileIO")?)
    } else {
        kind.is(class(py, &RAW, "FileIO")?)
    };
    if !is_plain {
        return Ok(None);
    }
    let descriptor: i32 = file.call_method0(intern!(py, "fileno"))?.extract()?;
    // A descriptor of our own, without a doubt about who closes it.
    let opened =
        File::open(format!("/proc/self/fd/{descriptor}")).or_else(|_| File::open(format!("/dev/fd/{descriptor}")));
    let Ok((handle, facts)) = opened.and_then(|handle| handle.metadata().map(|facts| (handle, facts))) else {
        return Ok(None);
    };
    if !facts.is_file() {
        return Ok(None);
    }
    let start: u64 = file.call_method0(intern!(py, "tell"))?.extract()?;
    Ok(Some((handle, start..facts.len().max(start))))
}

static BUFFERED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static RAW: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn class<'py>(py: Python<'py>, cell: &'py PyOnceLock<Py<PyType>>, name: &str) -> PyResult<&'py Bound<'py, PyType>> {
    cell.import(py, "io", name)
}
