//! Everything that happens at the desk.

use crate::*;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What two officers may decide about a flag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// It stands and goes to the acquirer.
    Confirm,
    /// It falls, with a written reason that is kept as long as a report.
    Dismiss,
}

/// Everything that happens at the desk. Confidential (R11).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseEvent {
    /// A run of the desk begins.
    ProcessStarted {
        /// This run.
        boot: Boot,
        /// SHA-256 of the accepted configuration file.
        settings: Digest,
        /// Program version.
        version: Arc<str>,
    },
    /// The rule set in force from here on.
    RulesLoaded {
        /// SHA-256 over rules, versions and parameters in canonical JSON.
        digest: Digest,
    },
    /// The trades journal was read and verified up to here.
    TradesCursor {
        /// Its root hash at that size.
        root: Digest,
        /// Its size.
        size: u64,
    },
    /// A rule fired.
    FlagRaised {
        /// Whose merchant.
        acquirer: AcquirerNo,
        /// Gapless number per acquirer from 1.
        flag: u64,
        /// SHA-256 over the canonical entries named in `trades`, in order.
        inputs: Digest,
        /// Whom it concerns.
        merchant: MerchantId,
        /// The rule's parameters.
        parameters: BTreeMap<Arc<str>, u64>,
        /// The payer's pseudonym, where the rule looks at one payer.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payer: Option<PayerToken>,
        /// `T01` … `T30` (typologies), `O01` … (operational findings).
        rule: Arc<str>,
        /// What had to be reached.
        threshold: u64,
        /// Indices in the trades journal.
        trades: Vec<u64>,
        /// Unit of value and threshold: `fen`, `trades`, `merchants`, `percent`.
        unit: Arc<str>,
        /// What was observed.
        value: u64,
        /// Version of the rule.
        version: u32,
        /// Window, begin.
        window_from: Instant,
        /// Window, end (not included).
        window_until: Instant,
    },
    /// The true reason of a uniform refusal in the trades journal.
    RefusalExplained {
        /// The true clause.
        clause: Clause,
        /// Whom.
        merchant: MerchantId,
        /// Index of the refusal in the trades journal.
        trades_index: u64,
    },
    /// A first officer proposes what becomes of a flag.
    FlagProposed {
        /// Whose merchant.
        acquirer: AcquirerNo,
        /// Confirm or dismiss.
        disposition: Disposition,
        /// Its number.
        flag: u64,
        /// Who.
        officer: OfficerId,
        /// Why, in the officer's words.
        reason: Arc<str>,
    },
    /// A second officer agrees: decided.
    FlagDecided {
        /// Whose merchant.
        acquirer: AcquirerNo,
        /// What was decided.
        disposition: Disposition,
        /// Its number.
        flag: u64,
        /// Who decided.
        officer: OfficerId,
        /// Where the proposal stands in the cases journal that was read and decided upon; earlier builds did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<u64>,
        /// Who had proposed it; never the same person.
        proposer: OfficerId,
    },
    /// A second officer disagrees: the flag is open again.
    FlagReturned {
        /// Whose merchant.
        acquirer: AcquirerNo,
        /// Its number.
        flag: u64,
        /// Who.
        officer: OfficerId,
        /// Where the proposal stands in the cases journal that was read and decided upon; earlier builds did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<u64>,
        /// Why.
        reason: Arc<str>,
    },
    /// A first officer proposes a measure.
    MeasureProposed {
        /// The measure.
        measure: Measure,
        /// Who.
        officer: OfficerId,
        /// Why.
        reason: Arc<str>,
    },
    /// A second officer agrees: in force as soon as the proxy reads it.
    MeasureOrdered {
        /// The measure.
        measure: Measure,
        /// Who ordered it.
        officer: OfficerId,
        /// Where the proposal stands in the cases journal that was read and decided upon; earlier builds did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<u64>,
        /// Who had proposed it; never the same person.
        proposer: OfficerId,
    },
    /// A second officer disagrees: the proposal is void.
    MeasureRejected {
        /// Number of the proposed measure.
        measure: MeasureId,
        /// Who.
        officer: OfficerId,
        /// Where the proposal stands in the cases journal that was read and decided upon; earlier builds did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<u64>,
        /// Why.
        reason: Arc<str>,
    },
    /// A signed package of confirmed flags was made.
    ExportMade {
        /// For whom.
        acquirer: AcquirerNo,
        /// SHA-256 of its manifest.
        digest: Digest,
        /// First number in the list.
        first: u64,
        /// Last number in the list.
        last: u64,
        /// Gapless number of the package per acquirer from 1.
        package: u64,
    },
    /// The acquirer acknowledged a package.
    ExportAcknowledged {
        /// For whom.
        acquirer: AcquirerNo,
        /// SHA-256 of the acknowledgement file.
        digest: Digest,
        /// Number of the package.
        package: u64,
    },
    /// A first officer proposes what becomes of a difference between a bill and the record.
    DifferenceProposed {
        /// Whose.
        merchant: MerchantId,
        /// Who proposes.
        officer: OfficerId,
        /// Why.
        reason: Arc<str>,
        /// What it comes to.
        resolution: Resolution,
        /// Where the difference stands in the trades journal.
        trades_index: u64,
    },
    /// A second officer agrees: resolved.
    DifferenceResolved {
        /// Whose.
        merchant: MerchantId,
        /// Who agreed.
        officer: OfficerId,
        /// Where the proposal stands in the cases journal that was read and decided upon; earlier builds did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<u64>,
        /// Who had proposed it; never the same person.
        proposer: OfficerId,
        /// What it comes to.
        resolution: Resolution,
        /// Where the difference stands in the trades journal.
        trades_index: u64,
    },
    /// A second officer does not agree: the difference is open again.
    DifferenceReturned {
        /// Whose.
        merchant: MerchantId,
        /// Who.
        officer: OfficerId,
        /// Where the proposal stands in the cases journal that was read and decided upon; earlier builds did not say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        proposal: Option<u64>,
        /// Why.
        reason: Arc<str>,
        /// Where the difference stands in the trades journal.
        trades_index: u64,
    },
    /// Somebody signed in.
    SignedIn {
        /// Who.
        officer: OfficerId,
    },
    /// Somebody failed to sign in.
    SignInRefused {
        /// Keyed digest of the name that was tried, so that a mistyped password is not kept.
        tried: Digest,
    },
    /// Somebody read a flag.
    FlagRead {
        /// Whose merchant.
        acquirer: AcquirerNo,
        /// Its number.
        flag: u64,
        /// Who.
        officer: OfficerId,
    },
}
