//! Does the Python package install and pass its own tests?
//!
//! Makes a virtual environment under the target directory, installs the package into it the way that users do, and runs pytest. What
//! was installed before is used again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn the_python_package_passes_its_tests() {
    let python = interpreter();
    let environment = Environment::prepare(&python);
    environment.install();
    environment.run(&["-m", "pip", "check"]);
    let report = environment.run(&["-X", "dev", "-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    let summary = report.lines().last().unwrap_or_default();
    assert!(summary.contains(" passed"), "pytest ran no test: {report}");
    println!("pytest: {summary}");
}

/// The interpreter that the environment variable `PYTHON` names, or `python3`.
fn interpreter() -> PathBuf {
    let name = std::env::var_os("PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found = Command::new(&name).args(["-c", "import sys, venv; assert sys.version_info >= (3, 9)"]).output();
    match found {
        Ok(output) if output.status.success() => name,
        Ok(output) => panic!(
            "{} is no CPython 3.9 or later with the module venv, so the Python package was not tested. Set PYTHON to one, or leave the \
             package out with --exclude cherrystone-wsgi.\n{}",
            name.display(),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!(
            "there is no {} ({error}), so the Python package was not tested. Install CPython 3.9 or later, set PYTHON to it, or leave \
             the package out with --exclude cherrystone-wsgi.",
            name.display()
        ),
    }
}

/// A virtual environment with what the tests need.
struct Environment {
    root: PathBuf,
}

impl Environment {
    fn prepare(python: &Path) -> Self {
        let wanted = fs::read_to_string(package().join("tests/requirements.txt")).unwrap();
        let version = output(Command::new(python).arg("--version"));
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
        let environment = Self { root };
        let stamp = environment.root.join("prepared");
        let state = format!("{version}{wanted}");
        if fs::read_to_string(&stamp).is_ok_and(|known| known == state) {
            return environment;
        }
        output(Command::new(python).args(["-m", "venv", "--clear"]).arg(&environment.root));
        let requirements = package().join("tests/requirements.txt");
        environment.run(&["-m", "pip", "install", "--quiet", "-r", requirements.to_str().unwrap()]);
        fs::write(stamp, state).unwrap();
        environment
    }

    /// Installs the package from its sources, unoptimized, with the build tool that is in the environment.
    fn install(&self) {
        let directory = package();
        let arguments = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--force-reinstall"];
        let build = self.root.join("build");
        let mut command = self.command();
        command.args(arguments).arg(&directory);
        command.env("MATURIN_PEP517_ARGS", "--profile dev").env("CARGO_TARGET_DIR", build);
        output(&mut command);
    }

    fn run(&self, arguments: &[&str]) -> String {
        output(self.command().args(arguments))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.root.join("bin/python"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.root.join("bin")).chain(std::env::split_paths(&path));
        command.current_dir(package().join("tests"));
        command.env("PATH", std::env::join_paths(paths).unwrap()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        // What cargo tells a test about itself is not meant for the build that pip starts.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
            command.env_remove(name);
        }
        command.env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command to its end and gives what it printed.
fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} failed ({status})\n{stdout}\n{stderr}");
    stdout.into_owned()
}
