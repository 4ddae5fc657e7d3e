//! How does Python start and stop a server?
//!
//! Through an [`Engine`]: the facade's server with a [`WsgiGateway`] in it. It is the plain machine; the classes with defaults, signals
//! and the names that people know are written in Python.
//!
//! Invariants:
//! 1. Whatever waits here is detached from Python.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cherrystone::access_log::{AccessLog, Format};
use cherrystone::forwarded::{Fields, Trust};
use cherrystone::sockets::{Networks, NetworksError, Options as SocketOptions, UnixMode};
use cherrystone::{Backend, Handle, Running, Server, ServerName, Settings, Tls};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::environ::{Environs, Users};
use crate::gateway::{Target, WsgiGateway};
use crate::spool::Chunked;
use crate::tls::Files;

/// A server with an application.
#[pyclass(frozen, module = "cherrystone")]
pub struct Engine {
    parts: Mutex<Parts>,
}

struct Parts {
    server: Option<Server>,
    handle: Handle,
    running: Option<Arc<Running>>,
    tls: Option<Tls>,
    log: Option<AccessLog>,
}

/// Everything that can be set, under the names of the keyword arguments in Python. Times are in seconds, sizes in octets.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    backend: String,
    server_name: String,
    software: Option<String>,
    min_threads: usize,
    max_threads: usize,
    growth_delay: f64,
    queue: usize,
    max_connections: usize,
    loops: usize,
    max_head: u32,
    max_fields: u16,
    max_body: Option<u64>,
    head_timeout: Option<f64>,
    idle_timeout: Option<f64>,
    io_timeout: Option<f64>,
    body_rate: u32,
    send_rate: u32,
    backlog: u16,
    reuse_port: bool,
    proxy_protocol: Option<String>,
    forwarded: Option<String>,
    x_forwarded: Option<String>,
    unix_mode: Option<u32>,
    peercreds: String,
    chunked_input: String,
    access_log: Option<String>,
    access_log_format: String,
    tls: Option<Files>,
}

#[pymethods]
impl Engine {
    /// A server that calls `target` for each request: a WSGI application, or a handler for a gateway written in Python.
    #[new]
    #[pyo3(signature = (*, target, kind, reporter, environ, options))]
    fn new(
        target: Py<PyAny>,
        kind: &str,
        reporter: Py<PyAny>,
        environ: Py<PyDict>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let options: Options = options.extract()?;
        let target = match kind {
            "application" => Target::Application(target),
            "handler" => Target::Handler(target),
            other => return Err(PyValueError::new_err(format!("there is no kind of target called {other:?}"))),
        };
        let gateway = WsgiGateway {
            target,
            environs: Environs::new(environ, options.users()?),
            chunked: options.chunked()?,
            is_unlimited: options.max_body.is_none(),
            reporter,
        };
        let (tls, log) = (options.tls.as_ref().map(Files::load).transpose()?, options.access_log()?);
        let mut server = Server::new(gateway)
            .backend(options.backend()?)
            .settings(options.settings()?)
            .socket_options(options.sockets()?)
            .server_name(&options.server_name);
        if let Some(tls) = &tls {
            server = server.tls(tls.clone());
        }
        if let Some(proxies) = &options.proxy_protocol {
            server = server.proxy_protocol(networks(proxies)?);
        }
        let trust = options.trust()?;
        if let Some(trust) = &trust {
            server = server.forwarded(trust.clone());
        }
        if let Some(log) = &log {
            let observer = log.clone();
            server = server.access_log(match trust {
                Some(trust) => observer.forwarded(trust),
                None => observer,
            });
        }
        let parts = Parts { handle: server.handle(), server: Some(server), running: None, tls, log };
        Ok(Self { parts: Mutex::new(parts) })
    }

    /// Listens at an address, and tells where that is: `host:port` with the real port, or `unix:path`.
    fn bind(&self, address: &str) -> PyResult<Vec<String>> {
        let mut parts = self.parts();
        let server = parts.server.take().ok_or_else(started)?;
        let before = server.addresses().count();
        let server = server.bind(address).map_err(|error| PyOSError::new_err(error.to_string()))?;
        let addresses = server.addresses().skip(before).map(ToString::to_string).collect();
        parts.server = Some(server);
        Ok(addresses)
    }

    /// Serves on threads of its own.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.parts().server.take().ok_or_else(started)?;
        let running = py.detach(|| server.start()).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        self.parts().running = Some(running);
        Ok(())
    }

    /// Stops: listeners and idle connections at once, requests under way within so many seconds. Tells how many connections were cut and
    /// how many applications were still at work.
    fn stop(&self, py: Python<'_>, within: f64) -> PyResult<(u64, usize)> {
        let within = seconds(within)?;
        let handle = self.parts().handle.clone();
        let stopped = py.detach(|| handle.stop(within));
        let mut parts = self.parts();
        // Listeners that never ran are closed, too.
        let (server, running, log) = (parts.server.take(), parts.running.take(), parts.log.take());
        drop(parts);
        py.detach(|| drop((server, running, log)));
        Ok((stopped.cut, stopped.busy))
    }

    /// Cuts at once what a stop under way would wait for.
    fn cut(&self) {
        self.parts().handle.cut();
    }

    /// Opens the access log anew and reads the certificates again, if there are any.
    fn reload(&self, py: Python<'_>) -> PyResult<()> {
        let (tls, log) = {
            let parts = self.parts();
            (parts.tls.clone(), parts.log.clone())
        };
        if let Some(log) = log {
            log.reopen();
        }
        let reloaded = py.detach(|| tls.map_or(Ok(()), |tls| tls.reload()));
        reloaded.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Starts up to so many worker threads more, within the bounds, and tells how many; none if the server does not run.
    fn grow(&self, py: Python<'_>, amount: usize) -> usize {
        let running = self.parts().running.clone();
        py.detach(|| running.map_or(0, |running| running.grow(amount)))
    }

    /// Sends up to so many worker threads away, within the bounds, and tells how many.
    fn shrink(&self, py: Python<'_>, amount: usize) -> usize {
        let running = self.parts().running.clone();
        py.detach(|| running.map_or(0, |running| running.shrink(amount)))
    }

    /// The counters of connections and requests, and of workers; nothing if the server does not run.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        let Some(running) = self.parts().running.clone() else { return Ok(stats) };
        let (counts, workers) = (running.stats(), running.workers());
        stats.set_item("open", counts.open)?;
        stats.set_item("accepted", counts.accepted)?;
        stats.set_item("requests", counts.requests)?;
        stats.set_item("refused", counts.refused)?;
        stats.set_item("violations", counts.violations)?;
        stats.set_item("stalled", counts.stalled)?;
        stats.set_item("failures", counts.failures)?;
        stats.set_item("panics", counts.panics)?;
        stats.set_item("pauses", counts.pauses)?;
        stats.set_item("tls_failures", counts.stage_failures)?;
        stats.set_item("threads", workers.threads)?;
        stats.set_item("threads_idle", workers.idle)?;
        stats.set_item("queue", workers.queued)?;
        Ok(stats)
    }
}

impl Engine {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        // Each change is a move of values, so a poisoned lock holds nothing half done.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Options {
    fn backend(&self) -> PyResult<Backend> {
        match &*self.backend {
            "threads" => Ok(Backend::Threads),
            "mio" => Ok(Backend::Mio),
            other => Err(PyValueError::new_err(format!("the backend is 'threads' or 'mio', not {other:?}"))),
        }
    }

    fn users(&self) -> PyResult<Users> {
        match &*self.peercreds {
            "ignore" => Ok(Users::Ignored),
            "numbers" => Ok(Users::Numbers),
            "names" => Ok(Users::Names),
            other => Err(PyValueError::new_err(format!("peercreds is 'ignore', 'numbers' or 'names', not {other:?}"))),
        }
    }

    fn chunked(&self) -> PyResult<Chunked> {
        match &*self.chunked_input {
            "spool" => Ok(Chunked::Spool),
            "stream" => Ok(Chunked::Stream),
            other => Err(PyValueError::new_err(format!("chunked_input is 'spool' or 'stream', not {other:?}"))),
        }
    }

    fn access_log(&self) -> PyResult<Option<AccessLog>> {
        let format = match &*self.access_log_format {
            "combined" => Format::Combined,
            "json" => Format::Json,
            other => {
                let text = format!("access_log_format is 'combined' or 'json', not {other:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        Ok(match self.access_log.as_deref() {
            None => None,
            Some("-") => Some(AccessLog::stdout(format)?),
            Some(path) => Some(AccessLog::file(path, format)?),
        })
    }

    fn settings(&self) -> PyResult<Settings> {
        let mut settings = Settings::default();
        settings.min_threads = self.min_threads;
        settings.max_threads = self.max_threads;
        settings.growth_delay = seconds(self.growth_delay)?;
        settings.queue = self.queue;
        settings.max_connections = self.max_connections;
        settings.loops = self.loops;
        let config = &mut settings.config;
        config.limits.head = self.max_head;
        config.limits.target = config.limits.target.min(self.max_head);
        config.limits.fields = self.max_fields;
        config.limits.body = self.max_body.unwrap_or(u64::MAX);
        config.timeouts.head = timeout(self.head_timeout)?;
        config.timeouts.idle = timeout(self.idle_timeout)?;
        config.timeouts.body.grace = timeout(self.io_timeout)?;
        config.timeouts.body.rate = self.body_rate;
        config.timeouts.send.grace = timeout(self.io_timeout)?;
        config.timeouts.send.rate = self.send_rate;
        config.server = self
            .software
            .as_deref()
            .map(ServerName::new)
            .transpose()
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        config.check().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(settings)
    }

    fn trust(&self) -> PyResult<Option<Trust>> {
        let (list, fields) = match (&self.forwarded, &self.x_forwarded) {
            (None, None) => return Ok(None),
            (Some(list), None) => (list, Fields::Forwarded),
            (None, Some(list)) => (list, Fields::XForwarded),
            (Some(_), Some(_)) => return Err(PyValueError::new_err("forwarded and x_forwarded cannot both count")),
        };
        Ok(Some(Trust::new(networks(list)?, fields)))
    }

    fn sockets(&self) -> PyResult<SocketOptions> {
        let mut options = SocketOptions::default();
        options.backlog = self.backlog;
        options.reuse_port = self.reuse_port;
        options.unix_mode = self
            .unix_mode
            .map(UnixMode::from_bits)
            .transpose()
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(options)
    }
}

fn started() -> PyErr {
    PyRuntimeError::new_err("the server was started already")
}

/// A timeout in seconds; `None` is for ever.
fn timeout(value: Option<f64>) -> PyResult<Duration> {
    value.map_or(Ok(Duration::MAX), seconds)
}

fn seconds(value: f64) -> PyResult<Duration> {
    if value == f64::INFINITY {
        return Ok(Duration::MAX);
    }
    Duration::try_from_secs_f64(value).map_err(|error| PyValueError::new_err(format!("{value} seconds: {error}")))
}

fn networks(list: &str) -> PyResult<Networks> {
    list.parse().map_err(|error: NetworksError| PyValueError::new_err(error.to_string()))
}
