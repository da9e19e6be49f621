/** Cores with a planted bug in what trees, watermarks and links do. See variants.ts. */
import { type Batch, type LinkId, type OutFrame, TopicCore, type TopicEffect } from '@hearsay/gossip/core'
import type { DrivenCore } from './node.js'
import { tampered, type Variant, withholding } from './variants.js'

type Send = Extract<TopicEffect, { type: 'send' }>

/** Replaces each frame that is sent by others; null: it stays. */
const rewriting = (rewrite: (send: Send) => TopicEffect[] | null): Variant => {
  const replaced = (effect: TopicEffect): TopicEffect[] =>
    (effect.type === 'send' ? rewrite(effect) : null) ?? [effect]
  return options => tampered(options, step => (input, nowMs) => step(input, nowMs).flatMap(replaced))
}

const isHave = (effect: TopicEffect, ...kinds: readonly string[]): boolean =>
  effect.type === 'send' && effect.frame.kind === 'have' && kinds.includes(effect.frame.have)

/** Tells no standby what it has: where all active links died, nobody hears of anything any more. */
export const tellsNoStandby = withholding(effect => isHave(effect, 'summary'))

/** Tells no neighbour what it has: what a tree loses stays lost. */
export const tellsNoNeighbour: Variant = options =>
  tampered(
    options,
    step => (input, nowMs) => step(input, nowMs).filter(effect => !isHave(effect, 'tick', 'live', 'summary'))
  )

/** Asks for what it misses, but never to be pushed the rest: it is repaired for ever. */
export const neverGrafts = rewriting(send => {
  const { frame } = send
  if (frame.kind !== 'want') return null
  const ranges = frame.ranges.filter(({ count }) => count > 0)
  return ranges.length === 0 ? [] : [{ ...send, frame: { ...frame, graft: false, ranges } }]
})

/** Prunes whoever brings it something. */
export const prunesItsParent: Variant = options =>
  tampered(
    options,
    step => (input, nowMs) =>
      step(input, nowMs).flatMap((effect): TopicEffect[] => {
        if (effect.type !== 'deliver' || effect.link === null) return [effect]
        const frame: OutFrame = { kind: 'prune', refs: [effect.batch.ref] }
        return [effect, { type: 'send', link: effect.link, class: 0, frame }]
      })
  )

/** Has its tree built with each batch, and lets others have that. */
export const marksAlways: Variant = options =>
  new TopicCore({ ...options, limits: { ...options.limits, markMs: 0, markBatches: 0, unmarkedBatches: 0 } })

/** Takes as many active links as it can get. */
export const greedy: Variant = options =>
  new TopicCore({ ...options, limits: { ...options.limits, activeLinks: 14, maxActiveLinks: 16 } })

/** Tells nobody that it isn't active any more. */
export const leavesInSilence = withholding(
  effect => effect.type === 'send' && effect.frame.kind === 'link' && effect.frame.op === 'demote'
)

/** The links of a core by role, from its effects. */
class Roles {
  readonly active = new Set<LinkId>()
  readonly standby = new Set<LinkId>()

  follow(effect: TopicEffect): void {
    if (effect.type === 'linkUp') this.standby.add(effect.link)
    if (effect.type === 'linkDown' || effect.type === 'linkRole') {
      this.active.delete(effect.link)
      this.standby.delete(effect.link)
    }
    if (effect.type === 'linkRole') this[effect.role].add(effect.link)
  }
}

/** Sends each frame that `copies` chooses to another link as well. `from`: whose frame it is an answer to, or passes on. */
const copying = (copies: (send: Send, roles: Roles, from: LinkId | null) => LinkId | undefined): Variant => {
  return options =>
    tampered(options, step => {
      const roles = new Roles()
      return (input, nowMs) =>
        step(input, nowMs).flatMap((effect): TopicEffect[] => {
          roles.follow(effect)
          const from = input.type === 'frame' ? input.link : null
          const link = effect.type === 'send' ? copies(effect, roles, from) : undefined
          return link === undefined ? [effect] : [effect, { ...(effect as Send), link }]
        })
    })
}

/** Asks two links for the same. */
export const asksTwice = copying(({ frame, link }, { active }) =>
  frame.kind === 'want' ? [...active].find(other => other !== link) : undefined
)

/** Pushes to a standby, too: each batch once, and not to whom it came from, so nothing else is wrong with it. */
export const floodsStandbys: Variant = options => {
  const copied = new WeakSet<Batch>()
  const copies = copying(({ frame }, { standby }, from) => {
    if (frame.kind !== 'batch' || frame.repair || frame.hops === 0 || copied.has(frame.batch))
      return undefined
    copied.add(frame.batch)
    return [...standby].find(link => link !== from)
  })
  return copies(options)
}

/** Passes batches on to whoever brings them. */
export const feedsItsParent: Variant = options => {
  const core = tampered(options, step => step)
  const explain: DrivenCore['explain'] = author =>
    core
      .explain(author)
      .map(state =>
        state.parent === null ? state : { ...state, children: [...state.children, state.parent] }
      )
  return { step: core.step, ownHello: core.ownHello, sizes: {}, explain }
}

/** Starts without a horizon: what it had before its crash comes again. */
export const forgetsItsStart: Variant = options => new TopicCore({ ...options, bootHorizon: false })

/** Doesn't look at its wall clock. */
export const ignoresItsClock: Variant = options =>
  tampered(options, step => (input, nowMs) => (input.type === 'clock' ? [] : step(input, nowMs)))
