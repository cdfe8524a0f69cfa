//! Policies as text: read, named, checked against the schema, with the line of whatever is wrong.

use std::fmt;
use std::str::FromStr;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use super::{PolicyInfo, forbids};

/// The largest file of policies read, in bytes.
pub const SOURCE_BYTES_MAX: usize = 256 * 1024;

/// The most characters shown of what Cedar says about a policy.
const MESSAGE_CHARACTERS_MAX: usize = 400;

/// A file of policies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Source {
    /// The name of the file.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What is wrong with a set of policies; at least one problem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Error)]
#[expect(clippy::exhaustive_structs, reason = "a list")]
pub struct LoadError {
    /// Everything that was found, in the order of the files.
    pub problems: Vec<PolicyProblem>,
}

/// Something wrong in a file of policies.
///
/// The message is Cedar's own on the operator's own text; nothing of a partner and no secret comes into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyProblem {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: Box<str>,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [] => f.write_str("the policies cannot be used"),
            [one] => one.fmt(f),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
        }
    }
}

impl LoadError {
    pub(super) fn of_schema(message: &str) -> Self {
        let file = "schema.cedarschema".to_owned();
        Self { problems: vec![PolicyProblem { file, line: 1, message: shown(message) }] }
    }
}

impl PolicyProblem {
    /// A file that is too long or no text.
    #[must_use]
    pub fn unreadable(file: &str) -> Self {
        Self { file: file.to_owned(), line: 1, message: "is not UTF-8 text of at most 256 KiB".into() }
    }
}

/// Puts the shipped policies and those of `sources` together.
pub(super) fn compile(
    schema: &Schema,
    shipped: &Source,
    sources: &[Source],
) -> Result<(PolicySet, Vec<PolicyInfo>), LoadError> {
    let mut policies = PolicySet::new();
    let mut listed: Vec<PolicyInfo> = Vec::new();
    let mut problems = Vec::new();
    for source in std::iter::once(shipped).chain(sources) {
        match parse(source) {
            Err(found) => problems.extend(found),
            Ok(parsed) => {
                for (policy, info) in parsed {
                    if let Some(other) = listed.iter().find(|other| other.id == info.id) {
                        let message =
                            format!("the id \"{}\" is used in {}:{} already", info.id, other.file, other.line);
                        problems.push(problem(source, info.line, &message));
                    } else if policies.add(policy).is_err() {
                        problems.push(problem(source, info.line, "the policy cannot be added to the set"));
                    } else {
                        listed.push(info);
                    }
                }
            }
        }
    }
    problems.extend(validate(schema, &policies, &listed, shipped, sources));
    if problems.is_empty() { Ok((policies, listed)) } else { Err(LoadError { problems }) }
}

/// The policies of one file under the names their annotations give them.
fn parse(source: &Source) -> Result<Vec<(Policy, PolicyInfo)>, Vec<PolicyProblem>> {
    if source.text.len() > SOURCE_BYTES_MAX {
        return Err(vec![PolicyProblem::unreadable(&source.name)]);
    }
    let set = match PolicySet::from_str(&source.text) {
        Ok(set) => set,
        Err(errors) => {
            return Err(errors.iter().map(|error| located(source, error, 1)).collect());
        }
    };
    let mut problems = Vec::new();
    if set.templates().next().is_some() {
        problems.push(problem(source, 1, "templates (`?principal`, `?resource`) are not supported: write a policy"));
    }
    let mut parsed = Vec::new();
    for policy in set.policies() {
        let text = policy.to_cedar().unwrap_or_default();
        let line = source.text.find(&text).map_or(1, |offset| line_of(&source.text, offset));
        let Some(id) = policy.annotation("id").filter(|id| is_name(id)) else {
            let message = "the policy needs @id(\"...\"): 1 to 64 letters, digits, \".\", \"-\" or \"_\"";
            problems.push(problem(source, line, message));
            continue;
        };
        let info = PolicyInfo {
            id: id.into(),
            file: source.name.clone(),
            line,
            forbids: forbids(policy.effect()),
            reason: shown(policy.annotation("reason").unwrap_or_default()).into(),
            text: text.trim().to_owned(),
        };
        parsed.push((policy.new_id(PolicyId::new(id)), info));
    }
    parsed.sort_by_key(|(_, info)| info.line);
    if problems.is_empty() { Ok(parsed) } else { Err(problems) }
}

/// Holds the set to the schema. What only draws a warning there, such as a policy that can never apply, is a mistake;
/// where there are errors, the warnings follow from them.
fn validate(
    schema: &Schema,
    policies: &PolicySet,
    listed: &[PolicyInfo],
    shipped: &Source,
    sources: &[Source],
) -> Vec<PolicyProblem> {
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| (error.policy_id(), error as &dyn Diagnostic));
    let warnings = result.validation_warnings().map(|warning| (warning.policy_id(), warning as &dyn Diagnostic));
    let mut found: Vec<_> = errors.collect();
    if found.is_empty() {
        found.extend(warnings);
    }
    let mut problems: Vec<_> = found
        .into_iter()
        .map(|(id, diagnostic)| {
            let id: &str = id.as_ref();
            let info = listed.iter().find(|info| info.id == id);
            let file = info.map_or("", |info| info.file.as_str());
            let source = sources.iter().find(|source| source.name == file).unwrap_or(shipped);
            located(source, diagnostic, info.map_or(1, |info| info.line))
        })
        .collect();
    problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    problems
}

/// A problem on the line its first label points to.
fn located(source: &Source, diagnostic: &dyn Diagnostic, otherwise: usize) -> PolicyProblem {
    let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let line = offset.map_or(otherwise, |offset| line_of(&source.text, offset));
    let mut message = diagnostic.to_string();
    if let Some(help) = diagnostic.help() {
        message = format!("{message} ({help})");
    }
    problem(source, line, &message)
}

fn problem(source: &Source, line: usize, message: &str) -> PolicyProblem {
    PolicyProblem { file: source.name.clone(), line, message: shown(message) }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// One line of bounded length without characters that do not show.
fn shown(text: &str) -> Box<str> {
    let visible = text.chars().map(|character| if crate::text::shows(character) { character } else { ' ' });
    visible.take(MESSAGE_CHARACTERS_MAX).collect::<String>().into()
}

fn is_name(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}
