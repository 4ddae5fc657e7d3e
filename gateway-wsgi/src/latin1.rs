//! How do octets become Python text and come back?
//!
//! WSGI carries octets as text: each octet is the character of the same number, latin-1 (PEP 3333, "Unicode Issues").

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Octets as text.
pub(crate) fn text<'py>(py: Python<'py>, octets: &[u8]) -> Bound<'py, PyString> {
    match str::from_utf8(octets) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &octets.iter().map(|&octet| char::from(octet)).collect::<String>()),
    }
}

/// Appends the octets that `text` carries.
///
/// # Errors
/// `UnicodeEncodeError` for a character that stands for no octet.
pub(crate) fn octets(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> PyResult<()> {
    let utf8 = text.to_cow()?;
    if utf8.is_ascii() {
        out.extend_from_slice(utf8.as_bytes());
        return Ok(());
    }
    // Python's own codec, for the sake of its error message.
    let encoded = text.call_method1("encode", ("latin-1",))?;
    match encoded.cast::<PyBytes>() {
        Ok(bytes) => out.extend_from_slice(bytes.as_bytes()),
        Err(_) => return Err(PyUnicodeEncodeError::new_err("the text cannot be encoded as latin-1")),
    }
    Ok(())
}
