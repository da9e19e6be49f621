/**
 * The stage of a measured run: who is there, who is connected to whom, what is published and what breaks, all drawn from
 * a seed before anything runs. hearsay and the systems that it is compared with play on the same stage.
 *
 * Plain data: node numbers, times in virtual ms. Nothing here knows a protocol.
 */

/** A connection that stays open all the time. `from` dialled. */
export interface StageEdge {
  readonly from: number
  readonly to: number
  /** One way, ms; the same in both directions. */
  readonly latencyMs: number
  /** Dialled then; default: drawn by who plays the stage, in the first half second. */
  readonly openMs?: number
}

/** One message. */
export interface StagePublish {
  readonly atMs: number
  /** The node that publishes it. */
  readonly author: number
  /** Payload size. */
  readonly bytes: number
  /** Only those after the warm-up count in the figures. */
  readonly isMeasured: boolean
}

/** Nodes that die without a word: they neither send nor receive from then on, and their connections look open. */
export interface StageKill {
  readonly atMs: number
  readonly nodes: readonly number[]
}

/** Nodes that take part in everything but pass no message on (all, or those of one author). */
export interface StageDroppers {
  readonly nodes: readonly number[]
  /** Null: they drop all that they should forward or supply. */
  readonly censored: number | null
  /** They are honest until then. Default 0. */
  readonly fromMs?: number
}

/**
 * Connections that carry nothing for a while. What an outage means for the ends:
 *
 *   held       nothing gets through; it all arrives, in order, when the outage is over
 *   lost       what is sent meanwhile is gone, and nobody notices
 *   cut        as held; but after 13 s the transport notices, drops all, and dials again when the outage is over
 *   half-open  the end that was dialled closes at once, the end that dialled sends into the void; dialled again at the end
 */
export interface StageOutage {
  readonly atMs: number
  readonly untilMs: number
  /** Indexes into `edges`. */
  readonly edges: readonly number[]
  /** 'forward': only what `from` sends; 'backward': only what `to` sends. Of no meaning for 'half-open'. */
  readonly direction: 'both' | 'forward' | 'backward'
  readonly kind: 'held' | 'lost' | 'cut' | 'half-open'
}

/** A process that isn't there for a while: it crashed with all its memory, or (from 0 on) hasn't started yet. */
export interface StageDowntime {
  readonly node: number
  readonly atMs: number
  readonly untilMs: number
  /** Added to its wall clock from the restart on, ms. */
  readonly clockMs: number
}

/** All that a run needs. */
export interface Stage {
  readonly name: string
  readonly seed: number
  readonly nodes: number
  readonly edges: readonly StageEdge[]
  readonly publishes: readonly StagePublish[]
  readonly kills: readonly StageKill[]
  readonly droppers: StageDroppers | null
  /**
   * Chance that a frame is lost on the way, 0 to 1. A real transport is a reliable stream; what is lost here stands for what
   * a connection takes with it when it breaks and is opened anew, without the anew. What binds names for later frames
   * (hello, AUTHOR) is never lost.
   */
  readonly loss: number
  /** When the run is over. */
  readonly endMs: number
  /** Bytes per ms that a node can send in all; Infinity: no bound. */
  readonly bytesPerMs: number
  /** What a node's CPU needs for a frame, ms; 0: nothing. */
  readonly frameCostMs: number
  /** Default: none. */
  readonly outages?: readonly StageOutage[]
  /** Default: none. */
  readonly downtimes?: readonly StageDowntime[]
  /** A node whose links are looked at in the end, because others try to own them. */
  readonly target?: number
}
