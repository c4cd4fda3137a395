//! The list of faults that Onset survives (`faults.ron`): what passes, and which tests show it.

use std::{env, fs, path::PathBuf, process::Command};

use serde::Deserialize;

use crate::{
    failure::{Doing, Failure, Result},
    programs::workspace,
};

/// What begins a line of a test's output that tells a figure.
pub const MEASURED: &str = "measured ";

/// A fault, and what shows that it is survived.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `F1`, `F2` and so on.
    pub id: String,
    /// What goes wrong.
    pub fault: String,
    /// What must hold then.
    pub criterion: String,
    /// Tests of seconds, which every test run plays.
    pub tests: Vec<Test>,
    /// Tests of minutes.
    #[serde(default)]
    pub long: Vec<Test>,
    /// What is to be said about it.
    #[serde(default)]
    pub note: String,
}

/// A test, by its name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// `PACKAGE PROGRAM NAME`.
    run: String,
    /// A variable in its environment: `KEY=VALUE`.
    #[serde(default)]
    set: String,
}

/// What a test gave.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// How many tests passed.
    pub passed: usize,
    /// The figures that it told.
    pub measured: Vec<String>,
    /// All that it printed, if it failed.
    pub failure: Option<String>,
}

impl Fault {
    /// All of them, in the order of the list.
    pub fn all() -> Result<Vec<Self>> {
        let path = workspace().join("vm-tests").join("faults.ron");
        let text = fs::read_to_string(&path).doing(path.display())?;
        ron::from_str(&text).map_err(|error| Failure(format!("{}:{error}", path.display())))
    }
}

impl Test {
    /// The package, the program within it, and the test's name there.
    pub fn parts(&self) -> Result<(&str, &str, String)> {
        match self.run.split(' ').collect::<Vec<_>>().as_slice() {
            [package, program, name] => Ok((package, program, name.replace('-', "_"))),
            _ => Err(Failure(format!("`{}` is not PACKAGE PROGRAM NAME", self.run))),
        }
    }

    /// Where the test is written: a file or folder that has it, and the words that must stand in it.
    pub fn source(&self) -> Result<(PathBuf, String)> {
        let (package, program, name) = self.parts()?;
        let package = workspace().join(package);
        Ok(match program {
            "scenarios" => {
                let folder = self.run.split(' ').next_back().unwrap_or_default();
                (package.join("scenarios").join(folder).join("scenario"), String::new())
            }
            "lib" => (package.join("src"), format!("fn {name}(")),
            program => {
                let file = package.join("tests").join(format!("{program}.rs"));
                let source = if file.is_file() { file } else { package.join("tests").join(program) };
                (source, format!("fn {name}("))
            }
        })
    }

    /// Plays it with cargo.
    pub fn play(&self) -> Result<Played> {
        let (package, program, name) = self.parts()?;
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(workspace()).args(["test", "--quiet", "--locked", "-p", package]);
        if program == "lib" {
            command.arg("--lib")
        } else {
            command.args(["--test", program])
        };
        command.args(["--", name.as_str(), "--show-output", "--format=pretty"]);
        if let Some((key, value)) = self.set.split_once('=') {
            command.env(key, value);
        }
        let output = command.output().doing("cargo test")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_passed = |line: &&str| line.starts_with("test ") && line.ends_with(" ... ok");
        let passed = text.lines().filter(is_passed).count();
        let measured =
            text.lines().filter_map(|line| line.strip_prefix(MEASURED)).map(String::from).collect();
        let well = output.status.success() && passed > 0;
        let failure = || format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(Played { passed, measured, failure: (!well).then(failure) })
    }
}

impl std::fmt::Display for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.set, if self.set.is_empty() { "" } else { " " }, self.run)
    }
}
