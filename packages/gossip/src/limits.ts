/**
 * Every bound of the protocol, in one place.
 *
 * A bound says what it counts, why it has this value, and what happens above it. Units are in the name.
 * All are injectable per `Gossip` (option `limits`), except where the comment says that all peers must agree.
 * Values without a source are guesses, to be replaced by measurements.
 */

/** The bounds. All are numbers; bytes, milliseconds or counts as the name says. */
export interface Limits {
  /** Largest payload of one message, encoded, without overhead. Larger data belongs in a feed. Hard maximum 1 MiB. */
  maxMessageBytes: number
  /** Messages that one signature covers at most. The gain of verification flattens here. All peers must agree. */
  maxBatchMessages: number
  /** Payload bytes at which an open batch is closed; a single larger message is a batch of its own. */
  maxBatchBytes: number
  /** Time to live of a message that doesn't say otherwise. */
  ttlMs: number
  /** Longest time to live. Bounds the author table. All peers must agree. */
  maxTtlMs: number
  /** Greatest difference between any two clocks. All peers must agree. */
  maxSkewMs: number
  /** Largest frame of any kind but BATCH and hello. Above it the channel is closed. */
  maxFrameBytes: number
  /** Largest hello. */
  maxHelloBytes: number
  /** What a BATCH frame may add to its payloads: header, signature, length prefixes. */
  batchOverheadBytes: number
  /** Entries in one HAVE or PRUNE. */
  maxHaveEntries: number
  /** Ranges in one WANT or MISS. */
  maxWantRanges: number
  /** Keys in one PEERS. */
  maxPeersKeys: number
  /** Authors bound per channel and direction. Above it the sender binds the least recently used index again. */
  maxAuthorIndexes: number
  /** A channel whose hello hasn't come by then is closed. */
  helloDeadlineMs: number
  /** How long a peer key stays refused after a wrong proof. */
  proofBackoffMs: number
  /** Peer keys remembered as refused or scored. */
  maxRememberedPeers: number
  /** Links of one topic. */
  maxLinks: number
  /** Channels and pending opens of one connection. */
  maxChannelsPerConnection: number
  /** Connections of one Gossip. */
  maxConnections: number
  /** Connections that others may open to a Hyperswarm of our own. The rest of `maxConnections` is for those we chose. */
  maxServerConnections: number
  /** The same per IP address; loopback is exempt, because tests and tools run there. A guess. */
  maxServerConnectionsPerHost: number
  /** Topics of one Gossip. */
  maxTopics: number
  /** Frames that a proven link may send before admit() answered; more are dropped, but for AUTHOR and HAVE. */
  maxHeldFrames: number
  /** Bytes of those frames. */
  maxHeldBytes: number
  /** Frames per second that a connection may send; the burst is twice as much. */
  framesPerSecond: number
  /** Bytes per second that a connection may send; the burst is twice as much. */
  bytesPerSecond: number
  /** Signatures of one link that are verified per second; the burst is twice as much. */
  verifiesPerSecond: number
  /**
   * Signatures that all topics of a Gossip verify per second: 60 % of what a core does. When they get scarce each peer has
   * an equal share, and what is over it is dropped.
   */
  verifiesPerSecondOfProcess: number
  /** Batches of one author in one incarnation per second, at every hop, repair included; the burst is twice as much. */
  authorBatchesPerSecond: number
  /** Payload bytes of the same per second; the burst is twice as much. Own ones are paced at 80 % of both. */
  authorBytesPerSecond: number
  /** Entries (author, incarnation) of a topic. A full table refuses newcomers; nothing unexpired is evicted. */
  maxAuthors: number
  /** Live entries that one peer key may bring. */
  maxAuthorsPerPeer: number
  /** New entries per second that one peer key may bring, beyond its burst of `maxAuthorsPerPeer`. */
  newAuthorsPerSecond: number
  /** Live incarnations of one author. Each restart of a process is one, so an author that restarts often must fit. */
  maxIncarnationsPerAuthor: number
  /** Seqs remembered behind the highest one, at first. Usable size of the window; a multiple of 32. */
  windowSeqs: number
  /** Seqs remembered at most, after growing. */
  maxWindowSeqs: number
  /** Batches waiting for authorize() or validate(), per link. */
  maxParkedPerLink: number
  /** The same, per topic. */
  maxParked: number
  /** How long such a question may stay open. */
  questionTimeoutMs: number
  /** Bytes of batches that a topic keeps for repair. Oldest go first, own batches last. */
  maxCacheBytes: number
  /** Number of batches that a topic keeps for repair. */
  maxCacheBatches: number
  /** Payload bytes queued for one link before it goes into lag mode. */
  maxQueuedBytesPerLink: number
  /** Batches queued for one link before it goes into lag mode. */
  maxQueuedBatchesPerLink: number
  /** Bytes queued for one connection over all topics. */
  maxQueuedBytesPerConnection: number
  /** Bytes that may be written in one cork: Protomux checks its own 8 MB only before the push. */
  maxCorkBytes: number
  /** Bytes of own messages that may wait for a link that takes them. Beyond it publish() rejects with ERR_GOSSIP_FULL. */
  maxUnsentBytes: number
  /** Calls of publish() that may wait at once. Beyond it they reject with ERR_GOSSIP_FULL. */
  maxWaitingPublishes: number
  /** Authors' incarnations whose equivocation a topic remembers, each with the two batches that prove it. The oldest goes. */
  maxEvidence: number
  /** Answer to one WANT. */
  maxRepairBytes: number
  /** Seqs in one range of a WANT. */
  maxRangeSeqs: number
  /** WANT frames that a link may send per second. */
  wantsPerSecond: number
  /** Open WANTs per link. */
  maxOpenWantsPerLink: number
  /** Missing ranges remembered per incarnation. */
  maxGaps: number
  /** Links remembered that hold what we miss, per gap. */
  maxHolders: number
  /** A hole waits this long for the batch that another link may be bringing. */
  holeDelayMs: number
  /** What a HAVE shows and we lack is asked for after this time. */
  haveDelayMs: number
  /** Shortest time that a WANT is given before another link is asked. */
  wantTimeoutMs: number
  /** How often changed watermarks are told. */
  haveTickMs: number
  /** How many links hear one tick. */
  haveTickLinks: number
  /** An idle link says that it lives. */
  liveMs: number
  /** No frame for so long: the link isn't used any more until a frame arrives. */
  suspectMs: number
  /** Messages that a subscription holds. */
  maxSubscriptionMessages: number
  /** Bytes that a subscription holds. */
  maxSubscriptionBytes: number
  /** Lost ranges that a subscription keeps apart. */
  maxLagRanges: number
  /** Nesting of a msgpack payload. */
  maxPayloadDepth: number
  /** leave() and close() write what was handed over for at most this long. */
  closeDeadlineMs: number
}

/** The defaults. GOSSIP parameters: where a value was simulated or measured, docs/PROTOCOL.md says so. */
export const LIMITS: Readonly<Limits> = Object.freeze({
  maxMessageBytes: 64 * 1024,
  maxBatchMessages: 64,
  maxBatchBytes: 16 * 1024,
  ttlMs: 30_000,
  maxTtlMs: 120_000,
  maxSkewMs: 30_000,
  maxFrameBytes: 16 * 1024,
  maxHelloBytes: 256,
  batchOverheadBytes: 512,
  maxHaveEntries: 1000,
  maxWantRanges: 64,
  maxPeersKeys: 16,
  maxAuthorIndexes: 2048,
  helloDeadlineMs: 5000,
  proofBackoffMs: 60_000,
  maxRememberedPeers: 1024,
  maxLinks: 128,
  maxChannelsPerConnection: 256,
  maxConnections: 128,
  maxServerConnections: 64,
  maxServerConnectionsPerHost: 8,
  maxTopics: 1024,
  maxHeldFrames: 32,
  maxHeldBytes: 64 * 1024,
  framesPerSecond: 5000,
  bytesPerSecond: 64 * 1024 * 1024,
  verifiesPerSecond: 5000,
  verifiesPerSecondOfProcess: 16_000,
  authorBatchesPerSecond: 5000,
  authorBytesPerSecond: 64 * 1024 * 1024,
  maxAuthors: 16_384,
  maxAuthorsPerPeer: 256,
  newAuthorsPerSecond: 10,
  maxIncarnationsPerAuthor: 16,
  windowSeqs: 256,
  maxWindowSeqs: 1024,
  maxParkedPerLink: 64,
  maxParked: 256,
  questionTimeoutMs: 5000,
  maxCacheBytes: 8 * 1024 * 1024,
  maxCacheBatches: 4096,
  maxQueuedBytesPerLink: 256 * 1024,
  maxQueuedBatchesPerLink: 1024,
  maxQueuedBytesPerConnection: 1024 * 1024,
  maxCorkBytes: 1024 * 1024,
  maxUnsentBytes: 8 * 1024 * 1024,
  maxWaitingPublishes: 65_536,
  maxEvidence: 64,
  maxRepairBytes: 256 * 1024,
  maxRangeSeqs: 1024,
  wantsPerSecond: 20,
  maxOpenWantsPerLink: 8,
  maxGaps: 64,
  maxHolders: 8,
  holeDelayMs: 10,
  haveDelayMs: 20,
  wantTimeoutMs: 40,
  haveTickMs: 100,
  haveTickLinks: 2,
  liveMs: 1000,
  suspectMs: 3000,
  maxSubscriptionMessages: 1000,
  maxSubscriptionBytes: 4 * 1024 * 1024,
  maxLagRanges: 64,
  maxPayloadDepth: 32,
  closeDeadlineMs: 2000
})
