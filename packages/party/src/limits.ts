/**
 * Every bound of the party protocol, in one place.
 *
 * A bound says what it counts and what happens above it. Units are in the name. All are injectable per party (option
 * `limits`), except where the comment says that all peers must agree. Values without a source are guesses, to be
 * replaced by measurements.
 */

/** The bounds. All are numbers; bytes, milliseconds, seconds or counts as the name says. */
export interface Limits {
  /** Largest frame of the channel but the hello. Above it the channel is closed. All peers must agree. */
  maxFrameBytes: number
  /** Largest hello. All peers must agree. */
  maxHelloBytes: number
  /** Largest record. All peers must agree. */
  maxRecordBytes: number
  /** Keys in one introduction. All peers must agree. */
  maxRecordKeys: number
  /** Encoded meta of an introduction. All peers must agree. */
  maxMetaBytes: number
  /** UTF-8 bytes of a reason: of a revocation, of an answer, of a CLOSE. All peers must agree. */
  maxReasonBytes: number
  /** UTF-8 bytes of the type of an introduction. All peers must agree. */
  maxBundleTypeBytes: number
  /** UTF-8 bytes of a writer name. All peers must agree. */
  maxWriterNameBytes: number
  /** How far a version may lie above the highest known of its slot. Else one mistake would use up all versions. */
  maxVersionStep: number
  /** UTF-8 bytes of the agent in a BIND. All peers must agree. */
  maxAgentBytes: number
  /** Bytes of the credential in a BIND. All peers must agree. */
  maxCredentialBytes: number
  /** Characters of an invite link. */
  maxInviteChars: number
  /** Times per minute that a Noise key may try to redeem an invite. */
  redeemTriesPerMinute: number
  /** UTF-8 bytes of the type of a request or ephemeral message, and of an error's code. All peers must agree. */
  maxTypeBytes: number
  /** UTF-8 bytes of an error's message. All peers must agree. */
  maxErrorBytes: number
  /** Nodes in one NODES. All peers must agree. */
  maxNodes: number
  /** Groups in one ITEMS, ranges in one PULL. All peers must agree. */
  maxGroups: number
  /** Shorts in one ITEMS or PULL. All peers must agree. */
  maxShorts: number
  /** Nibbles of the longest path of a range. All peers must agree. */
  maxDepth: number
  /** Records in one RECORDS or INTRODUCE. */
  maxRecords: number
  /** Record bytes in one RECORDS. */
  maxRecordsBytes: number
  /** Entries in one LENGTHS. */
  maxLengths: number
  /** Slots in one GRANT, results in one ANSWER. */
  maxSlots: number
  /** Deadline of the hello and of the BIND. */
  bindDeadlineMs: number
  /** The comparison of denials must make progress within this time. */
  factsDeadlineMs: number
  /** The rules of both sides must have agreed within this time. */
  handshakeDeadlineMs: number
  /** How long a Noise key stays refused after a wrong proof; doubles up to `maxBackoffMs`. */
  backoffMs: number
  /** Longest such time. */
  maxBackoffMs: number
  /** Noise keys remembered as refused or scored. */
  maxRememberedPeers: number
  /** Pushed records (INTRODUCE, RECORDS of round 0) per second and connection. */
  pushedRecordsPerSecond: number
  /** Burst of these. */
  maxPushedRecordsBurst: number
  /** Signatures verified per second and connection; the burst is twice as much. */
  verifiesPerSecond: number
  /** Introductions that wait for a verdict, per party. */
  maxPending: number
  /** The same, per connection. */
  maxPendingPerPeer: number
  /** The same, per author. */
  maxPendingPerAuthor: number
  /** How long an introduction may wait. */
  pendingTtlMs: number
  /** Refused or ignored records remembered per party, 32 bytes each. The oldest goes first and is asked for again. */
  maxRefused: number
  /** Digests of verified records remembered, so that none is verified twice. */
  maxVerified: number
  /** Feeds of a party under the `open` rules. */
  maxFeeds: number
  /** Feeds of one author under the `open` rules. */
  maxFeedsPerAuthor: number
  /** Bytes of one feed; a record's own maximum counts if it is lower. */
  maxBytesPerFeed: number
  /** Denials that can't be checked yet, per author. */
  maxUncheckedPerAuthor: number
  /** The same, per party. */
  maxUnchecked: number
  /** Admissions that count, per party. */
  maxAdmissions: number
  /** The same, of one issuer. */
  maxAdmissionsPerIssuer: number
  /** Removals that count, per party. */
  maxRemovals: number
  /** The same, of one issuer. */
  maxRemovalsPerIssuer: number
  /** New denials of one admin per hour. */
  denialsPerHour: number
  /** Burst of these. */
  maxDenialsBurst: number
  /** Time between two comparisons of one set that a peer starts. */
  roundEveryMs: number
  /** Both sets are compared again after this time if something changed. */
  compareEveryMs: number
  /** A comparison without a frame for so long is given up. */
  roundDeadlineMs: number
  /** Longest wait after failed comparisons; it starts at `compareEveryMs` and doubles. */
  maxCompareBackoffMs: number
  /** Requests open per direction and peer. */
  maxCalls: number
  /** Default deadline of a request. */
  callTimeoutMs: number
  /** Longest deadline of a request. */
  maxCallTimeoutMs: number
  /** Shortest deadline of a request. */
  minCallTimeoutMs: number
  /** Ephemeral messages taken from a peer per second. */
  ephemeralPerSecond: number
  /** LENGTHS of one feed are told at most this often. */
  lengthsEveryMs: number
  /** LENGTHS frames taken from a peer per second. */
  lengthsFramesPerSecond: number
  /** Rules that may be running at once, per party. */
  maxRuleCalls: number
  /** The same, per peer. */
  maxRuleCallsPerPeer: number
  /** How long a read waits for a bundle of which a part isn't authorized. */
  bundleTimeoutMs: number
  /** How long a rule may take. */
  ruleTimeoutMs: number
  /** Bytes queued for one channel; beyond it RECORDS pause and calls are refused. */
  maxQueuedBytes: number
  /** Admissions below the founder in one chain. All peers must agree. */
  maxChain: number
  /** Nesting of a msgpack value. */
  maxValueDepth: number
  /** Peers that are waited for in synced() must make progress within this time. */
  stallMs: number
  /** SYNCED is sent at most this often. */
  syncedEveryMs: number
  /** 'progress' is emitted at most this often per feed. */
  progressEveryMs: number
  /** Parties in one list. */
  maxParties: number
  /** UTF-8 bytes of the name of a party, or of its rules, in a list. */
  maxPartyNameBytes: number
  /** Encoded metadata of a party in a list. */
  maxPartyMetadataBytes: number
  /** Parties of a list that are opened on a connection and not answered yet. */
  maxPendingOpens: number
  /** Parties of a list that are opened on a connection in `openEveryMs`. */
  opensPerTurn: number
  /** See `opensPerTurn`. */
  openEveryMs: number
  /** close() and leave() write what was handed over for at most this long. */
  closeDeadlineMs: number
}

/** The defaults. */
export const LIMITS: Readonly<Limits> = Object.freeze({
  maxFrameBytes: 68 * 1024,
  maxHelloBytes: 256,
  maxRecordBytes: 4096,
  maxRecordKeys: 64,
  maxMetaBytes: 1024,
  maxReasonBytes: 128,
  maxBundleTypeBytes: 32,
  maxWriterNameBytes: 64,
  maxVersionStep: 2 ** 20,
  maxAgentBytes: 32,
  maxCredentialBytes: 2048,
  maxInviteChars: 4096,
  redeemTriesPerMinute: 5,
  maxTypeBytes: 64,
  maxErrorBytes: 512,
  maxNodes: 64,
  maxGroups: 256,
  maxShorts: 4096,
  maxDepth: 12,
  maxRecords: 1024,
  maxRecordsBytes: 64 * 1024,
  maxLengths: 1000,
  maxSlots: 1024,
  bindDeadlineMs: 5000,
  factsDeadlineMs: 10_000,
  handshakeDeadlineMs: 10_000,
  backoffMs: 60_000,
  maxBackoffMs: 600_000,
  maxRememberedPeers: 1024,
  pushedRecordsPerSecond: 100,
  maxPushedRecordsBurst: 1000,
  verifiesPerSecond: 5000,
  maxPending: 4096,
  maxPendingPerPeer: 256,
  maxPendingPerAuthor: 64,
  pendingTtlMs: 24 * 3600 * 1000,
  maxRefused: 8192,
  maxVerified: 8192,
  maxFeeds: 4096,
  maxFeedsPerAuthor: 256,
  maxBytesPerFeed: 2 ** 30,
  maxUncheckedPerAuthor: 1024,
  maxUnchecked: 4096,
  maxAdmissions: 4096,
  maxAdmissionsPerIssuer: 1024,
  maxRemovals: 4096,
  maxRemovalsPerIssuer: 1024,
  denialsPerHour: 1000,
  maxDenialsBurst: 10_000,
  roundEveryMs: 10_000,
  compareEveryMs: 60_000,
  roundDeadlineMs: 10_000,
  maxCompareBackoffMs: 3600 * 1000,
  maxCalls: 256,
  callTimeoutMs: 5000,
  maxCallTimeoutMs: 600_000,
  minCallTimeoutMs: 1000,
  ephemeralPerSecond: 200,
  lengthsEveryMs: 1000,
  lengthsFramesPerSecond: 50,
  maxRuleCalls: 16,
  maxRuleCallsPerPeer: 4,
  bundleTimeoutMs: 15_000,
  ruleTimeoutMs: 5000,
  maxQueuedBytes: 256 * 1024,
  maxChain: 4,
  maxValueDepth: 32,
  stallMs: 30_000,
  syncedEveryMs: 250,
  progressEveryMs: 100,
  maxParties: 4096,
  maxPartyNameBytes: 64,
  maxPartyMetadataBytes: 4096,
  maxPendingOpens: 256,
  opensPerTurn: 64,
  openEveryMs: 100,
  closeDeadlineMs: 2000
})
