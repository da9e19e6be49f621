import test from 'ava'
import { Clock } from '#gossip/node/clock'

function make() {
  const source = { wallMs: 1_760_000_000_000, monotonicMs: 500.7 }
  const clock = new Clock({ wall: () => source.wallMs, monotonic: () => source.monotonicMs })
  const pass = (ms: number, wallMs = ms): void => {
    source.monotonicMs += ms
    source.wallMs += wallMs
  }
  return { clock, pass }
}

test('the time is the wall clock at the start plus monotonic time, in whole ms', t => {
  const { clock, pass } = make()
  t.is(clock.nowMs(), 1_760_000_000_000)
  pass(1500.9)
  t.is(clock.nowMs(), 1_760_000_001_500)
})

test('a wall clock that goes back changes the offset, never the time', t => {
  const { clock, pass } = make()
  pass(2000, -3_600_000)
  t.is(clock.nowMs(), 1_760_000_002_000)
  t.true(clock.check(clock.nowMs()))
  t.is(clock.offsetMs, -3_602_000)
})

test('the wall clock is looked at once a second, and a drift of up to a second is none', t => {
  const { clock, pass } = make()
  pass(999, 50_000)
  t.false(clock.check(clock.nowMs()))
  t.is(clock.offsetMs, 0)
  pass(1, 1)
  t.true(clock.check(clock.nowMs()))
  t.is(clock.offsetMs, 49_001)
  pass(1000, 2000)
  t.false(clock.check(clock.nowMs()))
  t.is(clock.offsetMs, 49_001)
  pass(1000, 1002)
  t.true(clock.check(clock.nowMs()))
})

test('the clock of the system is the wall clock', t => {
  t.true(Math.abs(new Clock().nowMs() - Date.now()) < 50)
})
