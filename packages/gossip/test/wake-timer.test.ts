/** The timer of a topic: what it keeps the process alive for. */
import test from 'ava'
import type { GossipContext } from '#gossip/node/context'
import { WakeTimer } from '#gossip/node/wake-timer'

interface Timer {
  delayMs: number
  hasRef: boolean
}

/** A timer on a clock that stands still, with the timers that it started in place of real ones. */
function make(t: { teardown(fn: () => void): void }) {
  const timers: Timer[] = []
  const { setTimeout } = globalThis
  t.teardown(() => Object.assign(globalThis, { setTimeout }))
  const fake = (_call: () => void, delayMs: number) => {
    const timer = { delayMs, hasRef: true }
    timers.push(timer)
    return {
      ref: () => Object.assign(timer, { hasRef: true }),
      unref: () => Object.assign(timer, { hasRef: false })
    }
  }
  Object.assign(globalThis, { setTimeout: fake })
  const jobs: unknown[] = []
  const context = { clock: { nowMs: () => 1000 }, scheduler: { topicSoon: (job: unknown) => jobs.push(job) } }
  const timer = new WakeTimer(context as unknown as GossipContext, { onTick() {} })
  return { timer, timers, jobs }
}

test.serial('a wish far away keeps the process alive only if somebody waits for it', t => {
  const { timer, timers, jobs } = make(t)
  timer.set(1050, false)
  timer.stop()
  timer.set(1100, false)
  timer.stop()
  timer.set(1100, true)
  t.deepEqual(timers, [
    { delayMs: 50, hasRef: true },
    { delayMs: 100, hasRef: false },
    { delayMs: 100, hasRef: true }
  ])
  timer.set(1000, false)
  t.is(jobs.length, 1)
})

test.serial('who begins to wait while the wish stays the same is not forgotten', t => {
  const { timer, timers } = make(t)
  timer.set(1100, false)
  t.deepEqual(timers, [{ delayMs: 100, hasRef: false }])
  timer.awaited()
  t.deepEqual(timers, [{ delayMs: 100, hasRef: true }])
})
