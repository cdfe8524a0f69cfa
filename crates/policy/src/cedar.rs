//! Decisions by Cedar policies: the shipped ones and those an operator adds.
//!
//! # What it decides
//!
//! An [`Engine`] holds a checked, immutable set of policies and answers whether they permit what [`Facts`] describe:
//! a call of a partner, a call of an operator, or a phase of a job. What no policy permits is denied; a `forbid` wins
//! over every `permit`; a policy that cannot be evaluated denies, for it might have been the one that forbids.
//!
//! # What an operator's policies can do
//!
//! They can forbid more than the shipped ones. They cannot give what an agreement does not: the node asks
//! [`decide`](crate::decide), which knows signatures, columns, bounds and budgets, beside this engine, and needs a yes
//! from both. The pins of certificates and the list of known partners hold before either is asked.
//!
//! # Where policies come from
//!
//! The schema and the default policies are part of the program ([`SCHEMA`], [`DEFAULT_POLICIES`]). An operator's are
//! [`Source`]s, files of Cedar text. Every policy is validated strictly against the schema; one that can never apply
//! is refused as well, since it is a mistake. [`Engine::digest`] names the whole set: SHA-256 over a format name, the
//! schema, the default policies and the sources in the order of their names, each with its length before it.
//!
//! # Annotations
//!
//! `@id("..")` names a policy in logs and explanations and must be given; `@reason("..")` says in words why it
//! decides as it does.
//!
//! # Cost
//!
//! A decision on a phase of a job, with the making of its request, takes some ten microseconds; see the bench
//! `decide`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use cedar_policy::{
    ActionConstraint, Authorizer, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, Schema,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use facts::{
    AgreementFacts, BudgetFacts, ControlCallFacts, Facts, JobFacts, PeerCallFacts, PeerFacts, PhaseFacts, PostureFacts,
    SELF, Validity,
};
pub use source::{LoadError, PolicyProblem, SOURCE_BYTES_MAX, Source};

mod facts;
mod source;

/// The schema, as every policy is held to.
pub const SCHEMA: &str = include_str!("cedar/schema.cedarschema");

/// The policies every node has.
pub const DEFAULT_POLICIES: &str = include_str!("cedar/default.cedar");

/// The name under which the default policies are shown.
pub const DEFAULT_NAME: &str = "default.cedar";

/// The format of the digest.
const DIGEST_FORMAT: &str = "symbolon-policies/1";

/// A checked set of policies. Immutable; a change makes a new one.
pub struct Engine {
    authorizer: Authorizer,
    listed: Vec<PolicyInfo>,
    /// The actions of the schema.
    actions: HashMap<String, Action>,
    types: Types,
    digest: [u8; 32],
}

/// A policy of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyInfo {
    /// Its name, from `@id`.
    pub id: String,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on, from 1.
    pub line: usize,
    /// Whether it forbids; otherwise it permits.
    pub forbids: bool,
    /// Why, from `@reason`; empty when it does not say.
    pub reason: String,
    /// Its text.
    pub text: String,
}

/// The answer of the policies, with those that brought it about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether they permit it.
    pub allowed: bool,
    /// The policies that decided: of a yes those that permit, of a no those that forbid or could not be evaluated.
    /// None for a no means that no policy permits it.
    pub determining: Vec<Determining>,
    /// The digest of the set.
    #[serde(serialize_with = "as_hex")]
    pub policy_set: [u8; 32],
}

/// A policy that decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Determining {
    /// Its name.
    pub id: String,
    /// Why, in the words of its annotation.
    pub reason: String,
}

/// An action that can be asked about.
struct Action {
    /// The action with the groups it is in.
    entity: Entity,
    /// The policies whose scope it is in; no other can be satisfied.
    policies: PolicySet,
}

/// The types of entities.
struct Types {
    node: EntityTypeName,
    operator: EntityTypeName,
    institution: EntityTypeName,
    table: EntityTypeName,
    agreement: EntityTypeName,
    job: EntityTypeName,
}

impl Engine {
    /// The shipped policies alone.
    ///
    /// # Errors
    /// Never, as the tests of this crate show; what a damaged build finds is reported as for an operator's files.
    pub fn shipped() -> Result<Self, LoadError> {
        Self::load(&[])
    }

    /// The shipped policies and those of `sources`.
    ///
    /// # Errors
    /// [`LoadError`] naming file and line of everything that does not parse or does not fit the schema.
    pub fn load(sources: &[Source]) -> Result<Self, LoadError> {
        let (schema, _) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|error| LoadError::of_schema(&error.to_string()))?;
        let mut sources: Vec<Source> = sources.to_vec();
        sources.sort_by(|one, other| one.name.cmp(&other.name));
        let shipped = Source { name: DEFAULT_NAME.to_owned(), text: DEFAULT_POLICIES.to_owned() };
        let (policies, listed) = source::compile(&schema, &shipped, &sources)?;
        let damaged = || LoadError::of_schema("its actions cannot be read");
        let groups: Vec<&EntityUid> = schema.action_groups().collect();
        let known = schema.action_entities().map_err(|_| damaged())?;
        // A group is no action that can be asked about.
        let asked = known.iter().filter(|entity| !groups.contains(&&entity.uid()));
        let actions = asked.map(|entity| {
            let scoped = in_scope(&policies, &known, &entity.uid()).ok_or_else(damaged)?;
            let action = Action { entity: entity.clone(), policies: scoped };
            Ok((entity.uid().id().unescaped().to_owned(), action))
        });
        let actions = actions.collect::<Result<_, LoadError>>()?;
        let types = Types::new().ok_or_else(damaged)?;
        let digest = digest(&sources);
        Ok(Self { authorizer: Authorizer::new(), listed, actions, types, digest })
    }

    /// Decides on `facts`.
    ///
    /// An action the schema does not know is denied.
    #[must_use]
    pub fn decide(&self, facts: &Facts) -> Verdict {
        let asked = self.actions.get(facts.action()).and_then(|action| Some((action, self.request(facts)?)));
        let Some((action, (request, entities))) = asked else {
            return Verdict { allowed: false, determining: Vec::new(), policy_set: self.digest };
        };
        let response = self.authorizer.is_authorized(&request, &action.policies, &entities);
        let mut failed = response.diagnostics().errors().map(policy_of).peekable();
        let allowed = response.decision() == cedar_policy::Decision::Allow && failed.peek().is_none();
        let mut determining: Vec<_> = match failed.peek() {
            // A yes that left out a policy is none.
            Some(_) => failed.map(|id| Determining { id: id.into(), reason: FAILED.into() }).collect(),
            None => response.diagnostics().reason().map(|id| self.determining(id)).collect(),
        };
        determining.sort();
        Verdict { allowed, determining, policy_set: self.digest }
    }

    /// SHA-256 over schema, default policies and sources.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The policies, the shipped ones first, in the order of their files.
    #[must_use]
    pub fn policies(&self) -> &[PolicyInfo] {
        &self.listed
    }

    /// The policy of that name.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<&PolicyInfo> {
        self.listed.iter().find(|policy| policy.id == id)
    }

    /// The actions of the schema that can be asked about, in alphabetical order.
    #[must_use]
    pub fn actions(&self) -> Vec<&str> {
        let mut actions: Vec<_> = self.actions.keys().map(String::as_str).collect();
        actions.sort_unstable();
        actions
    }

    fn determining(&self, id: &PolicyId) -> Determining {
        let id: &str = id.as_ref();
        match self.policy(id) {
            Some(policy) => Determining { id: policy.id.clone(), reason: policy.reason.clone() },
            None => Determining { id: id.to_owned(), reason: String::new() },
        }
    }

    fn request(&self, facts: &Facts) -> Option<(Request, Entities)> {
        let action = &self.actions.get(facts.action())?.entity;
        let types = &self.types;
        let (principal, resource, mut entities) = match facts {
            Facts::PeerCall(call) => {
                (uid(&types.institution, &call.peer.name), uid(&types.node, SELF), Vec::with_capacity(1))
            }
            Facts::ControlCall(call) => {
                (uid(&types.operator, &call.operator), uid(&types.node, SELF), Vec::with_capacity(1))
            }
            Facts::Phase(phase) => {
                let table = uid(&types.table, &phase.job.table);
                let agreement = uid(&types.agreement, &phase.agreement.id);
                let job = uid(&types.job, &phase.job.id);
                let entities = vec![
                    Entity::new_no_attrs(agreement.clone(), [table].into()),
                    Entity::new_no_attrs(job.clone(), [agreement].into()),
                ];
                (uid(&types.institution, phase.asker()), job, entities)
            }
        };
        entities.push(action.clone());
        let entities = Entities::from_entities(entities, None).ok()?;
        let request = Request::new(principal, action.uid(), resource, facts.context()?, None).ok()?;
        Some((request, entities))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("policies", &self.listed.len()).finish_non_exhaustive()
    }
}

impl Types {
    fn new() -> Option<Self> {
        let name = |word: &str| EntityTypeName::from_str(&format!("Symbolon::{word}")).ok();
        Some(Self {
            node: name("Node")?,
            operator: name("Operator")?,
            institution: name("Institution")?,
            table: name("Table")?,
            agreement: name("Agreement")?,
            job: name("Job")?,
        })
    }
}

const FAILED: &str = "the policy could not be evaluated on these facts";

fn policy_of(error: &cedar_policy::AuthorizationError) -> &str {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    error.policy_id().as_ref()
}

/// The policies that can apply to an action by their scope.
fn in_scope(policies: &PolicySet, known: &Entities, action: &EntityUid) -> Option<PolicySet> {
    let is = |id: &EntityUid| id == action || known.is_ancestor_of(id, action);
    let applies = |policy: &&Policy| match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(id) => id == *action,
        ActionConstraint::In(ids) => ids.iter().any(is),
    };
    PolicySet::from_policies(policies.policies().filter(applies).cloned()).ok()
}

fn uid(entity_type: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(entity_type.clone(), EntityId::new(id))
}

fn digest(sources: &[Source]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    add(DIGEST_FORMAT);
    add(SCHEMA);
    add(DEFAULT_POLICIES);
    for source in sources {
        add(&source.name);
        add(&source.text);
    }
    hash.finalize().into()
}

fn as_hex<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

const fn forbids(effect: Effect) -> bool {
    matches!(effect, Effect::Forbid)
}

#[cfg(test)]
mod tests;
