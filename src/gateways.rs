//! Which applications come with the server?
//!
//! [`Hello`], a greeting; [`Files`], a directory; [`Dispatcher`], several applications under their path prefixes.

use std::time::SystemTime;

use cherrystone_core::gateway::{Done, Exchange, Failure, Gateway, Mode, Payload};
use cherrystone_core::{Field, Head, Status, TargetForm};

use crate::dispatch::{PrefixError, Prefixes};
use crate::files::{self, Content, Files};

/// Greets every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hello;

impl Gateway for Hello {
    fn mode(&self, _: Head<'_>) -> Mode {
        Mode::Inline
    }

    fn handle(&self, _: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], "Hello, World!")
    }
}

impl Gateway for Files {
    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        let (mount, path) = exchange.split_path(head);
        let plan = self.plan(&files::Request {
            method: head.method(),
            mount: mount.as_bytes(),
            path: path.as_bytes(),
            query: head.query().map(str::as_bytes),
            field: &|name| files::joined(head.fields().get_all(name)),
            now: SystemTime::now(),
        });
        let fields: Vec<Field<'_>> = plan.fields.iter().map(|(name, value)| (*name, &value[..])).collect();
        let status = Status::new(plan.status)?;
        exchange.respond(status, &fields, payload(plan.content))
    }
}

fn payload(content: Content) -> Payload {
    match content {
        Content::Empty => Payload::Empty,
        Content::Static(octets) => Payload::Static(octets),
        Content::Bytes(octets) => Payload::Owned(octets),
        Content::File(file, range) => Payload::File(file, range),
    }
}

/// Several applications, each under a prefix of the path: the longest that ends at a slash wins, and no match is 404.
///
/// ```
/// use cherrystone::gateways::{Dispatcher, Hello};
/// let apps = Dispatcher::new([("/", Box::new(Hello) as _), ("/blog", Box::new(Hello) as _)])?;
/// # Ok::<(), cherrystone::dispatch::PrefixError>(())
/// ```
pub struct Dispatcher {
    apps: Prefixes<Box<dyn Gateway>>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.apps.iter().map(|(prefix, _)| prefix)).finish()
    }
}

impl Dispatcher {
    /// The applications by prefix; `/` or an empty prefix takes what no other does.
    ///
    /// # Errors
    /// A prefix that is none, or that is there twice.
    pub fn new<P: Into<String>>(apps: impl IntoIterator<Item = (P, Box<dyn Gateway>)>) -> Result<Self, PrefixError> {
        Ok(Self { apps: Prefixes::new(apps)? })
    }

    fn find<'h>(&self, head: Head<'h>) -> Option<(&dyn Gateway, usize)> {
        match head.form() {
            TargetForm::Authority(_) | TargetForm::Asterisk => None,
            TargetForm::Origin { .. } | TargetForm::Absolute { .. } => {
                let (app, mount, _) = self.apps.find(head.path().as_bytes())?;
                Some((&**app, mount.len()))
            }
        }
    }
}

impl Gateway for Dispatcher {
    fn mode(&self, head: Head<'_>) -> Mode {
        self.find(head).map_or(Mode::Inline, |(app, _)| app.mode(head))
    }

    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        self.find(head).and_then(|(app, _)| app.body_limit(head))
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        match self.find(head) {
            Some((app, mount)) => app.handle(head, exchange.mounted(mount)),
            None => exchange.respond(Status::NOT_FOUND, &[("Content-Type", b"text/plain")], "not found\n"),
        }
    }
}
