/**
 * Cores with a planted bug, to show that the checks see it.
 *
 * A variant stands between the driver and the production core: it withholds inputs, changes effects, or lies about
 * options, so that the whole behaves as if the bug were inside.
 */
import {
  type AuthorRef,
  type Batch,
  batchOf,
  type DropReason,
  decodeAuthor,
  decodeBatch,
  FrameKind,
  makeAuthorRef,
  TopicCore,
  type TopicCoreOptions,
  type TopicEffect,
  type TopicInput
} from '@hearsay/gossip/core'
import type { DrivenCore } from './node.js'

/** Makes a core with a bug. */
export type Variant = (options: TopicCoreOptions) => DrivenCore

const streamOf = ({ ref }: Batch): string => `${ref.authorId}/${ref.incarnationId}`

/** Reads the batches that come in, as the core will. */
class Eavesdropper {
  readonly #options: TopicCoreOptions
  readonly #authors = new Map<string, AuthorRef>()

  constructor(options: TopicCoreOptions) {
    this.#options = options
  }

  /** The batch of an input, if it carries one. */
  read(input: TopicInput): Batch | null {
    if (input.type !== 'frame') return null
    const { limits } = this.#options
    if (input.kind === FrameKind.author) {
      const frame = decodeAuthor(input.bytes, limits)
      if (frame.ok) {
        const { ix, author, incarnation, origin } = frame.value
        this.#authors.set(`${input.link} ${ix}`, makeAuthorRef(author, incarnation, origin))
      }
    }
    if (input.kind !== FrameKind.batch) return null
    const frame = decodeBatch(input.bytes, limits)
    const ref = frame.ok ? this.#authors.get(`${input.link} ${frame.value.ix}`) : undefined
    return frame.ok && ref !== undefined ? batchOf(frame.value, ref) : null
  }
}

type Step = (input: TopicInput, nowMs: number) => TopicEffect[]

/** A core whose `step` is replaced by one that knows the real one and the batch that came in. */
export function tampered(
  options: TopicCoreOptions,
  make: (step: Step) => (input: TopicInput, nowMs: number, batch: Batch | null) => TopicEffect[]
): DrivenCore {
  const core = new TopicCore(options)
  const ears = new Eavesdropper(options)
  const step = make((input, nowMs) => core.step(input, nowMs))
  return {
    step: (input, nowMs) => step(input, nowMs, ears.read(input)),
    ownHello: binding => core.ownHello(binding),
    explain: author => core.explain(author),
    get sizes() {
      return core.sizes
    }
  }
}

/** Marks a seq as seen before its signature is checked: who guesses the next seq silences the author. */
export const marksBeforeVerifying: Variant = options =>
  tampered(options, step => {
    const marked = new Set<string>()
    return (input, nowMs, batch) => {
      if (batch !== null) {
        const key = `${streamOf(batch)}/${batch.seq0}`
        if (marked.has(key)) return []
        marked.add(key)
      }
      return step(input, nowMs)
    }
  })

/** Takes only what is above the highest seq: what was overtaken on another path is lost. */
export const highestSeqWins: Variant = options =>
  tampered(options, step => {
    const top = new Map<string, number>()
    return (input, nowMs, batch) => {
      if (batch !== null && batch.seq0 <= (top.get(streamOf(batch)) ?? -1)) return []
      const effects = step(input, nowMs)
      for (const effect of effects) {
        if (effect.type !== 'deliver') continue
        const stream = streamOf(effect.batch)
        top.set(stream, Math.max(top.get(stream) ?? -1, effect.batch.seq0 + effect.batch.count - 1))
      }
      return effects
    }
  })

/** Forgets an author as soon as its last message expired, though a copy is taken for another skew: it comes twice. */
export const forgetsAtExpiry: Variant = options =>
  tampered(options, step => {
    const { maxSkewMs } = options.limits
    const lastExpiry = new Map<string, number>()
    const expiryOf = (batch: Batch): number => batch.createdMs + batch.ttlSeconds * 1000
    return (input, nowMs, batch) => {
      const effects = step(input, nowMs)
      for (const effect of effects) {
        if (effect.type !== 'deliver') continue
        const stream = streamOf(effect.batch)
        lastExpiry.set(stream, Math.max(lastExpiry.get(stream) ?? 0, expiryOf(effect.batch)))
      }
      const last = batch === null ? undefined : lastExpiry.get(streamOf(batch))
      const isForgotten = last !== undefined && nowMs > last
      const isDuplicate = effects.some(effect => effect.type === 'drop' && effect.reason === 'duplicate')
      if (batch === null || input.type !== 'frame' || !isForgotten || !isDuplicate) return effects
      if (nowMs > expiryOf(batch) + maxSkewMs) return effects
      return [{ type: 'deliver', batch, hops: 1, accepted: null, link: input.link }]
    }
  })

/** A core that doesn't do some of what it decided. */
export const withholding = (isWithheld: (effect: TopicEffect) => boolean): Variant => {
  return options =>
    tampered(options, step => (input, nowMs) => step(input, nowMs).filter(e => !isWithheld(e)))
}

/** Doesn't say what it has when a link comes up: who comes late learns nothing. */
export const silentAtJoin = withholding(
  effect => effect.type === 'send' && effect.frame.kind === 'have' && effect.frame.have === 'join'
)

/** Never asks for what it misses. */
export const neverAsks = withholding(effect => effect.type === 'send' && effect.frame.kind === 'want')

/** Believes every signature. */
export const believesAll: Variant = options =>
  new TopicCore({ ...options, crypto: { ...options.crypto, verify: () => true } })

/** A core that takes batches after all that the real one dropped for `reason`, if `isTaken` says so. */
const takingDropped = (
  reason: DropReason,
  make: () => { isTaken: (batch: Batch) => boolean; delivered: (batch: Batch) => void }
): Variant => {
  return options =>
    tampered(options, step => {
      const { isTaken, delivered } = make()
      return (input, nowMs, batch) => {
        const effects = step(input, nowMs)
        for (const effect of effects) if (effect.type === 'deliver') delivered(effect.batch)
        const isDropped = effects.some(effect => effect.type === 'drop' && effect.reason === reason)
        if (batch === null || input.type !== 'frame' || !isDropped || !isTaken(batch)) return effects
        return [...effects, { type: 'deliver', batch, hops: 1, accepted: null, link: input.link }]
      }
    })
}

/** Takes what has expired long ago. */
export const takesExpired = takingDropped('expired', () => ({ isTaken: () => true, delivered: () => {} }))

/** Remembers the three authors that it heard last: what others said comes again when somebody replays it. */
export const evictsAuthors = takingDropped('duplicate', () => {
  const recent = new Set<string>()
  return {
    isTaken: batch => !recent.has(streamOf(batch)),
    delivered: batch => {
      recent.delete(streamOf(batch))
      recent.add(streamOf(batch))
      for (const oldest of recent) if (recent.size > 3) recent.delete(oldest)
    }
  }
})

/** Never forgets whom it heard. */
export const neverForgets: Variant = options =>
  new TopicCore({ ...options, limits: { ...options.limits, maxSkewMs: options.limits.maxSkewMs * 100 } })

/** Lets go of no link. */
export const keepsDeadLinks: Variant = options =>
  tampered(options, step => (input, nowMs) => (input.type === 'linkDown' ? [] : step(input, nowMs)))

/** Tells each loss twice. */
export const repeatsGaps: Variant = options =>
  tampered(
    options,
    step => (input, nowMs) =>
      step(input, nowMs).flatMap((effect): TopicEffect[] =>
        effect.type === 'gap' ? [effect, effect] : [effect]
      )
  )

/** Sends a batch back to where it came from. */
export const echoes: Variant = options =>
  tampered(
    options,
    step => (input, nowMs) =>
      step(input, nowMs).flatMap((effect): TopicEffect[] => {
        if (effect.type !== 'deliver' || effect.link === null) return [effect]
        const frame = {
          kind: 'batch',
          batch: effect.batch,
          hops: 1,
          mark: false,
          repair: false,
          last: false
        } as const
        return [effect, { type: 'send', link: effect.link, class: 2, frame }]
      })
  )

/** Cuts off whoever sends a duplicate. */
export const punishesDuplicates: Variant = options =>
  tampered(
    options,
    step => (input, nowMs) =>
      step(input, nowMs).flatMap((effect): TopicEffect[] => {
        if (effect.type !== 'drop' || effect.reason !== 'duplicate' || effect.link === null) return [effect]
        return [effect, { type: 'closeLink', link: effect.link, reason: 'demerits', backoffMs: 1000 }]
      })
  )

/** Uses one seq for all it publishes. */
export const reusesSeqs: Variant = options =>
  tampered(
    options,
    step => (input, nowMs) =>
      step(input, nowMs).map(effect => (effect.type === 'published' ? { ...effect, seq: 0 } : effect))
  )

/** Counts what it refuses as seen. */
export const movesOnRefusal: Variant = options => {
  let refused = 0
  const core = tampered(options, step => (input, nowMs) => {
    const effects = step(input, nowMs)
    if (effects.some(effect => effect.type === 'drop' && effect.reason === 'bad-signature')) refused++
    return effects
  })
  const explain: DrivenCore['explain'] = author =>
    core.explain(author).map(state => ({ ...state, top: state.top + refused }))
  return { step: core.step, ownHello: core.ownHello, sizes: {}, explain }
}

/** Goes on sending what it has, whatever its age. */
export const circulates: Variant = options =>
  tampered(options, step => {
    let last: TopicEffect | null = null
    return (input, nowMs) => {
      const effects = step(input, nowMs)
      for (const effect of effects) {
        if (effect.type === 'send' && effect.frame.kind === 'batch') {
          last = { ...effect, frame: { ...effect.frame, repair: true } }
        }
      }
      return last !== null && input.type === 'tick' ? [...effects, last] : effects
    }
  })
