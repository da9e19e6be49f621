/**
 * Closes the holes of Protomux through which a remote ends our process. The one file that touches its internals.
 *
 * Shown with 3.12.1, and pinned by the contract tests of this package:
 * 1. A batch inside a batch is decoded by recursion without a limit; about 20 KB of them overflow the stack before any
 *    handler runs. An honest Protomux never nests a batch, so a nested one destroys the stream.
 * 2. What a channel's handler throws is rethrown as an uncaught exception if it is a TypeError, RangeError or
 *    SyntaxError, also if the handler belongs to another protocol on the same muxer. Here it destroys the stream.
 * 3. Nothing limits how many channels a remote opens. Here a generous cap does.
 *
 * This file has byte-identical copies in the packages that need it. That a muxer is hardened is known under a global
 * symbol, so that the copies agree.
 */
import { errorOf } from './guard.js'

/** Ids of channels that a remote may have in use at once. Thousands of feeds fit; a flood of opens doesn't (guess). */
const MAX_REMOTE_CHANNELS = 16_384

interface State {
  start: number
  end: number
}

interface Internals {
  stream: { destroy(error: Error): unknown; emit(event: 'warning', error: Error): unknown }
  _destroying: boolean
  _remote: unknown[]
  _onbatch(state: State): void
  _onopensession(state: State): unknown
  _safeDestroy(fault: unknown): void
  _safeDestroyBound(fault: unknown): void
  _warn(fault: unknown): void
}

const METHODS = ['_onbatch', '_onopensession', '_safeDestroy', '_safeDestroyBound', '_warn'] as const
const REGISTRY = Symbol.for('hearsay/hardened/1')
const shared = globalThis as { [REGISTRY]?: WeakSet<object> }
shared[REGISTRY] ??= new WeakSet()
const hardened = shared[REGISTRY]

/**
 * Hardens `muxer`; a second call does nothing. Call it in the tick in which the connection comes, before any frame.
 *
 * @throws {Error} If Protomux lost one of the internals that this stands on: better no connection than an open hole.
 */
export function harden(muxer: object): void {
  if (hardened.has(muxer)) return
  const mux = muxer as Internals
  for (const name of METHODS) {
    if (typeof mux[name] !== 'function') throw new Error(`protomux changed: it has no ${name}`)
  }
  if (!Array.isArray(mux._remote)) throw new Error('protomux changed: it has no _remote')
  hardened.add(muxer)

  const destroy = (fault: unknown): void => {
    mux._destroying = true
    mux.stream.destroy(errorOf(fault))
  }
  mux._safeDestroy = destroy
  mux._safeDestroyBound = destroy
  mux._warn = fault => {
    mux.stream.emit('warning', errorOf(fault))
  }
  refuseNesting(mux, destroy)
  capChannels(mux, destroy)
}

function refuseNesting(mux: Internals, destroy: (fault: unknown) => void): void {
  const decode = mux._onbatch
  let inside = false
  mux._onbatch = state => {
    if (inside) {
      state.start = state.end
      destroy(new Error('batch inside a batch'))
      return
    }
    inside = true
    try {
      decode.call(mux, state)
    } finally {
      inside = false
    }
  }
}

function capChannels(mux: Internals, destroy: (fault: unknown) => void): void {
  const open = mux._onopensession
  mux._onopensession = state => {
    // Ids of a remote grow by one and are used again, so the length is the most that it ever had in use at once.
    if (mux._remote.length <= MAX_REMOTE_CHANNELS) return open.call(mux, state)
    state.start = state.end
    destroy(new Error(`remote has more than ${MAX_REMOTE_CHANNELS} channels`))
    return null
  }
}
