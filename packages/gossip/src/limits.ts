/**
 * Every bound of the protocol, in one place.
 *
 * A bound says what it counts, why it has this value, and what happens above it. Units are in the name. Where nothing else
 * is said, what a remote sends beyond a bound is dropped and counted under its reason, without points.
 * All are injectable per `Gossip` (option `limits`), except where the comment says that all peers must agree.
 * Values without a source are guesses, to be replaced by measurements. Constants that stand beside their only use are
 * widths of the format, or say there why nobody would set them.
 */

/** The bounds. All are numbers; bytes, milliseconds or counts as the name says. */
export interface Limits {
  /** Largest payload of one message, encoded, without overhead; publish() rejects a larger one. Hard maximum 1 MiB. */
  maxMessageBytes: number
  /** Messages that one signature covers. The gain of verification flattens here. All peers must agree; above: malformed. */
  maxBatchMessages: number
  /** Payload bytes at which an open batch is closed; a single larger message is a batch of its own. */
  maxBatchBytes: number
  /** Time to live of a message that doesn't say otherwise. */
  ttlMs: number
  /** Longest time to live. Bounds the author table. All peers must agree; above: malformed. */
  maxTtlMs: number
  /** Greatest difference between any two clocks. All peers must agree; what lies further ahead isn't accepted. */
  maxSkewMs: number
  /** Largest frame of any kind but BATCH and hello. Above it the channel is closed. */
  maxFrameBytes: number
  /** Largest hello. Above it the channel is closed. */
  maxHelloBytes: number
  /** What a BATCH frame may add to its payloads: header, signature, length prefixes. Above it the channel is closed. */
  batchOverheadBytes: number
  /** Entries in one HAVE or PRUNE. Above it the channel is closed; senders send several. */
  maxHaveEntries: number
  /** Ranges in one WANT or MISS, likewise. */
  maxWantRanges: number
  /** Keys in one PEERS, likewise. */
  maxPeersKeys: number
  /** Authors bound per channel and direction. Above it the sender binds the least recently used index again. */
  maxAuthorIndexes: number
  /** A channel whose hello hasn't come by then is closed; so is a connection whose handshake isn't done by then. */
  helloDeadlineMs: number
  /** Connections whose handshake isn't done. Above it the oldest is given up. */
  maxHandshakes: number
  /** Connections of a Hyperswarm of our own on which nobody said hello. Above it the oldest is destroyed. */
  maxSilentConnections: number
  /** How long a peer key stays refused after a wrong proof. */
  proofBackoffMs: number
  /** Demerit points at which a peer key loses its links, and is refused for `demeritBackoffMs`. */
  maxPoints: number
  /** Points count half after this time. */
  pointsHalfLifeMs: number
  /** How long a key with `maxPoints` is refused on a topic. */
  demeritBackoffMs: number
  /** Points for what an honest peer may do, too, add up to this at most; see core/peer-book.ts. Less than `maxPoints`. */
  maxDoubt: number
  /** Peer keys remembered as refused or scored. Above it the one with the least against it is forgotten. */
  maxRememberedPeers: number
  /** Links of one topic. Above it a further one is closed. */
  maxLinks: number
  /** Topics of ours on one connection; further ones aren't opened on it. What others open on a muxer: node/harden.ts. */
  maxChannelsPerConnection: number
  /** Connections of one Gossip. Above it attach() throws. */
  maxConnections: number
  /** Connections that others may open to a Hyperswarm of our own; more are destroyed. The rest is for those we chose. */
  maxServerConnections: number
  /** The same per IP address; loopback is exempt, because tests and tools run there. A guess. */
  maxServerConnectionsPerHost: number
  /** Topics of one Gossip. Above it join() throws. */
  maxTopics: number
  /** Frames that a proven link may send before admit() answered; more are dropped, but for AUTHOR and HAVE. */
  maxHeldFrames: number
  /** Bytes of those frames. */
  maxHeldBytes: number
  /** Frames per second that a connection may send, over all topics; the burst is twice as much. More are dropped. */
  framesPerSecond: number
  /** Bytes per second of the same; the burst is twice as much. */
  bytesPerSecond: number
  /** AUTHOR frames that a link is sent per second, with a burst of `maxAuthorIndexes`. See core/link-budgets.ts for who reads. */
  authorsPerSecond: number
  /** Authors per second that a link may bring and that authorize() wasn't asked about yet; twice as many at once. */
  unknownAuthorsPerSecond: number
  /**
   * Entries of HAVE, WANT, MISS and PRUNE that a link may send per second, together; the burst is twice as much. Lists over it
   * are dropped, and far more cost points; see core/link-budgets.ts.
   */
  entriesPerSecond: number
  /** PRUNE and GRAFT of a link for one author per second; more are ignored. */
  turnsPerSecond: number
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
  /** Own batches per second that aren't full, a tenth of them at once: so 15,000 ticks a second cost 1,000 signatures. */
  partialBatchesPerSecond: number
  /** Entries (author, incarnation) of a topic. A full table refuses newcomers; nothing unexpired is evicted. */
  maxAuthors: number
  /** Live entries that one peer key may bring; its further newcomers are refused. */
  maxAuthorsPerPeer: number
  /** New entries per second that one peer key may bring, beyond its burst of `maxAuthorsPerPeer`. */
  newAuthorsPerSecond: number
  /** Live incarnations of one author. Each restart of a process is one, so an author that restarts often must fit. */
  maxIncarnationsPerAuthor: number
  /**
   * Seqs of an author that are remembered behind the highest one; a multiple of 32. A batch further above a hole is refused,
   * and asked for again when the hole was filled or given up. Needed: rate of the author x difference of paths.
   */
  maxWindowSeqs: number
  /** The same for authors that are authorized by name, who may be busier: 1,000 messages per second x 2 s, and room. */
  maxPinnedWindowSeqs: number
  /** Batches waiting for authorize() or validate(), per link; core/questions.ts has who goes without. */
  maxParkedPerLink: number
  /** The same, per topic. */
  maxParked: number
  /** How long such a question may stay open; then the answer is no, or ignore. */
  questionTimeoutMs: number
  /** Bytes of batches that a topic keeps for repair. Above it the author who holds most loses its oldest; own ones go last. */
  maxCacheBytes: number
  /** Number of batches that a topic keeps for repair, likewise. */
  maxCacheBatches: number
  /** Payload bytes queued for one link. Above it its queue is dropped, and it lags: it pulls what it lacks. */
  maxQueuedBytesPerLink: number
  /** Batches of the same. */
  maxQueuedBatchesPerLink: number
  /** Bytes queued for one connection over all topics. Above it its longest queue is dropped. */
  maxQueuedBytesPerConnection: number
  /** A link with more unsent payload is given no own messages now: about what one write takes. */
  blockedBytes: number
  /** Questions and answers queued for one link; the oldest go. Eight open WANTs each way, several times over. */
  maxLooseFrames: number
  /** Bytes that may be written in one cork: Protomux checks its own 8 MB only before the push. */
  maxCorkBytes: number
  /** Bytes of own messages that may wait for a link that takes them. Beyond it publish() rejects with ERR_GOSSIP_FULL. */
  maxUnsentBytes: number
  /** Calls of publish() that may wait at once. Beyond it they reject with ERR_GOSSIP_FULL. */
  maxWaitingPublishes: number
  /** Authors' incarnations whose equivocation a topic remembers, each with the two batches that prove it. The oldest goes. */
  maxEvidence: number
  /** Answer to one WANT; the rest is asked for again, so the asker sets the pace. */
  maxRepairBytes: number
  /** Seqs in one range of a WANT; a longer one is cut. */
  maxRangeSeqs: number
  /** Times that a link is sent the same batch within `answerMs`, because it asks for it; then it hears MISS. */
  maxAnswersPerBatch: number
  /** See there. */
  answerMs: number
  /** WANT frames that a link may send per second; more hear MISS, and far more cost points. */
  wantsPerSecond: number
  /** WANT frames to a link without a word in answer; then it is asked once in `suspectMs`. */
  maxOpenWantsPerLink: number
  /** Missing ranges remembered per incarnation; the highest is found again later. */
  maxGaps: number
  /** Links remembered that hold what we miss, per gap; the oldest goes. */
  maxHolders: number
  /** A hole waits this long for the batch that another link may be bringing. */
  holeDelayMs: number
  /** What a HAVE shows and we lack is asked for after this time. */
  haveDelayMs: number
  /** Shortest time that a WANT is given before another link is asked. */
  wantTimeoutMs: number
  /** Round trip of a link that wasn't timed yet: a WANT that is repeated too early brings a copy of the whole answer. */
  unknownRttMs: number
  /** How often changed watermarks are told. */
  haveTickMs: number
  /** How many links hear one tick. */
  haveTickLinks: number
  /** An active link that has nothing to say says that it lives. */
  liveMs: number
  /** No frame for so long: an active link becomes a standby, and another takes its place. */
  suspectMs: number
  /** After so much more silence it isn't asked again until a frame arrives. */
  deadMs: number
  /** Active links wanted where there are more than `maxActiveLinks - 1` peers; below that all are active. */
  activeLinks: number
  /** With fewer active links, batches are pushed to links that were asked, too; refused by all, we ask urgently. */
  minActiveLinks: number
  /** Active links at most. One bit each in the record of a tree: 30 at most. */
  maxActiveLinks: number
  /** Active links that we dialled ourselves, if there are that many: whoever dials in can't own all of them. */
  minOutboundLinks: number
  /** A link that was asked to become active answers by then. */
  linkAskTimeoutMs: number
  /** A link that said no isn't asked again for so long; doubling up to `maxLinkBackoffMs`. */
  linkBackoffMs: number
  /** The longest of those waits. */
  maxLinkBackoffMs: number
  /** Longest back-off that a remote may ask for; clamped before any arithmetic. */
  maxToldBackoffMs: number
  /** Asks for a place that a link may make at once, after a stall, before they cost points; see core/link-budgets.ts. */
  maxAsksAtOnce: number
  /** One urgent ask per link in this time is honoured. */
  urgentAskMs: number
  /** An active link that lags for so long becomes a standby, if it isn't the only one. */
  lagDemoteMs: number
  /** How often one active link that the other end dialled is exchanged for a standby. */
  exchangeMs: number
  /** Without an active link for so long we are isolated. */
  isolationMs: number
  /** So are we when nothing was accepted for so long while summaries show news. */
  progressMs: number
  /** Who lacks news of an author that is older than this asks for a place in the tree of whoever told. */
  starvedMs: number
  /** How often changed watermarks are told to random standbys. */
  summaryMs: number
  /** How many standbys hear one summary. */
  summaryLinks: number
  /** A summary tells what changed in this time. */
  summarySpanMs: number
  /** One link instead of `haveTickLinks` hears a tick while more batches per second than this come in. */
  busyBatchesPerSecond: number
  /** First batches of an author that go along the tree of another; then it has its own built. */
  unmarkedBatches: number
  /** Batches after which an author has its tree built again. */
  markBatches: number
  /** A tree is built again at most once in this time; authors keep a tenth more between two marks. */
  markMs: number
  /** Larger batches never carry a mark: it multiplies copies. */
  maxMarkBytes: number
  /** Larger batches are pushed only along a tree that stands; others hear an OFFER. */
  maxPushBytes: number
  /** Smaller batches are never skipped: the word costs more than it saves. */
  minSkipBytes: number
  /** Large batches that a link may skip at once; the oldest is forgotten, and comes twice. */
  maxSkips: number
  /** A PRUNE for the same author goes to the same link once in this time. */
  pruneMs: number
  /** Links that own batches are pushed to although they prune: one alone could withhold them. */
  minOwnLinks: number
  /** How often a link is told peers of the topic. */
  peersMs: number
  /** How often one of the peers told is passed on as a hint to dial. */
  hintMs: number
  /** Hints to dial are passed on only while there are fewer links than this. */
  minPeers: number
  /** Messages that a subscription holds; the oldest go, and the reader is told which. */
  maxSubscriptionMessages: number
  /** Bytes of the same. */
  maxSubscriptionBytes: number
  /** Lost ranges that a subscription keeps apart; neighbours merge, and are told as inexact. */
  maxLagRanges: number
  /** Nesting of a msgpack payload; a deeper one isn't decoded. */
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
  maxHandshakes: 64,
  maxSilentConnections: 64,
  proofBackoffMs: 60_000,
  maxPoints: 100,
  pointsHalfLifeMs: 60_000,
  demeritBackoffMs: 600_000,
  maxDoubt: 50,
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
  authorsPerSecond: 200,
  unknownAuthorsPerSecond: 50,
  entriesPerSecond: 10_000,
  turnsPerSecond: 10,
  verifiesPerSecond: 5000,
  verifiesPerSecondOfProcess: 16_000,
  authorBatchesPerSecond: 5000,
  authorBytesPerSecond: 64 * 1024 * 1024,
  partialBatchesPerSecond: 1000,
  maxAuthors: 16_384,
  maxAuthorsPerPeer: 256,
  newAuthorsPerSecond: 10,
  maxIncarnationsPerAuthor: 16,
  maxWindowSeqs: 1024,
  maxPinnedWindowSeqs: 16_384,
  maxParkedPerLink: 64,
  maxParked: 256,
  questionTimeoutMs: 5000,
  maxCacheBytes: 8 * 1024 * 1024,
  maxCacheBatches: 4096,
  maxQueuedBytesPerLink: 256 * 1024,
  maxQueuedBatchesPerLink: 1024,
  maxQueuedBytesPerConnection: 1024 * 1024,
  blockedBytes: 64 * 1024,
  maxLooseFrames: 64,
  maxCorkBytes: 1024 * 1024,
  maxUnsentBytes: 8 * 1024 * 1024,
  maxWaitingPublishes: 65_536,
  maxEvidence: 64,
  maxRepairBytes: 256 * 1024,
  maxRangeSeqs: 1024,
  maxAnswersPerBatch: 3,
  answerMs: 3000,
  wantsPerSecond: 20,
  maxOpenWantsPerLink: 8,
  maxGaps: 64,
  maxHolders: 8,
  holeDelayMs: 10,
  haveDelayMs: 20,
  wantTimeoutMs: 40,
  unknownRttMs: 100,
  haveTickMs: 100,
  haveTickLinks: 2,
  liveMs: 1000,
  suspectMs: 3000,
  deadMs: 2000,
  activeLinks: 6,
  minActiveLinks: 4,
  maxActiveLinks: 8,
  minOutboundLinks: 2,
  linkAskTimeoutMs: 500,
  linkBackoffMs: 10_000,
  maxLinkBackoffMs: 60_000,
  maxToldBackoffMs: 300_000,
  maxAsksAtOnce: 20,
  urgentAskMs: 60_000,
  lagDemoteMs: 10_000,
  exchangeMs: 60_000,
  isolationMs: 1000,
  progressMs: 10_000,
  starvedMs: 2000,
  summaryMs: 1000,
  summaryLinks: 3,
  summarySpanMs: 3000,
  busyBatchesPerSecond: 200,
  unmarkedBatches: 3,
  markBatches: 256,
  markMs: 5000,
  maxMarkBytes: 4096,
  maxPushBytes: 16 * 1024,
  minSkipBytes: 4096,
  maxSkips: 16,
  pruneMs: 1000,
  minOwnLinks: 2,
  peersMs: 60_000,
  hintMs: 1000,
  minPeers: 16,
  maxSubscriptionMessages: 1024,
  maxSubscriptionBytes: 4 * 1024 * 1024,
  maxLagRanges: 64,
  maxPayloadDepth: 32,
  closeDeadlineMs: 2000
})
