import test from 'ava'
import fc from 'fast-check'
import { TokenBucket } from '#gossip/core/budget'

test('a bucket starts full and refills at its rate', t => {
  const bucket = new TokenBucket(10, 20)
  t.true(bucket.take(20, 1000))
  t.false(bucket.take(1, 1000))
  t.false(bucket.take(1, 1099))
  t.true(bucket.take(1, 1100))
  t.false(bucket.take(1, 1100))
})

test('a pause of any length fills it to the burst and no further', t => {
  const bucket = new TokenBucket(1000, 5)
  t.true(bucket.take(5, 0))
  t.false(bucket.take(6, Number.MAX_SAFE_INTEGER))
  t.true(bucket.take(5, Number.MAX_SAFE_INTEGER))
  t.false(bucket.take(1, Number.MAX_SAFE_INTEGER))
})

test('a clock that stands still or goes back gives nothing', t => {
  const bucket = new TokenBucket(1000, 1)
  t.true(bucket.take(1, 500))
  t.false(bucket.take(1, 400))
  t.false(bucket.take(1, 500))
  t.true(bucket.take(1, 501))
})

test('a clock that goes back costs nothing either', t => {
  const bucket = new TokenBucket(1000, 5)
  t.true(bucket.take(1, 500))
  t.true(bucket.take(1, 400))
  t.is(bucket.waitMs(4, 300), 1)
})

test('more than the burst is never granted, and the wait for it has no end', t => {
  const bucket = new TokenBucket(1000, 10)
  t.false(bucket.take(11, 0))
  t.is(bucket.waitMs(11, 0), Number.POSITIVE_INFINITY)
  t.is(bucket.waitMs(10, 0), 0)
})

test('take succeeds after waitMs and not a ms before, and never more than rate x time + burst is granted', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 50 })), {
        minLength: 10,
        maxLength: 50
      }),
      (perSecond, burst, takes) => {
        const bucket = new TokenBucket(perSecond, burst)
        let nowMs = 1_760_000_000_000
        const startMs = nowMs
        let granted = 0
        for (const [n, pauseMs] of takes) {
          nowMs += pauseMs
          if (n > burst) continue
          const waitMs = bucket.waitMs(n, nowMs)
          if (waitMs > 0 && bucket.take(n, nowMs + waitMs - 1)) return false
          nowMs += waitMs
          if (!bucket.take(n, nowMs)) return false
          granted += n
          if (granted > burst + ((nowMs - startMs) * perSecond) / 1000) return false
        }
        return true
      }
    )
  )
  t.pass()
})

test('what is left grows with time up to the burst', t => {
  const bucket = new TokenBucket(10, 20)
  t.true(bucket.take(20, 1000))
  t.deepEqual([bucket.left(1000), bucket.left(1050), bucket.left(1200), bucket.left(9000)], [0, 0.5, 2, 20])
})
