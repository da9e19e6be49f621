/** The systems that hearsay is compared with, as models that play on the same stages. Each file says what it leaves out. */
import type { Stage } from '../scale/stage.js'
import { runFlood } from './flood.js'
import { runGossipsub } from './gossipsub.js'
import type { ReferenceFigures } from './ledger.js'
import { runPlumtree } from './plumtree.js'

/** A system to compare with. */
export interface Reference {
  readonly name: string
  /** One line on what is modelled. */
  readonly note: string
  /** Plays a stage; equal stages give equal figures. Throws RangeError on stages with outages or downtimes. */
  readonly run: (stage: Stage) => ReferenceFigures
}

/** All of them. */
export const REFERENCES: readonly Reference[] = [
  {
    name: 'flood',
    note: 'every new message to every other connection; no repair',
    run: stage => runFlood(stage)
  },
  {
    name: 'gossipsub',
    note: 'v1.1, D 6 (5 to 12), heartbeat 1 s, flood publishing, no scores; silence noticed after 10 s',
    run: stage => runGossipsub(stage)
  },
  {
    name: 'plumtree',
    note: 'one shared tree on 5 + 30 peers, as iroh-gossip; silence noticed after 10 s, no rejoin',
    run: stage => runPlumtree(stage)
  }
]
