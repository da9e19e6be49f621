/**
 * Seeds that broke an invariant once, and why. A change of the protocol changes what a seed does, so each cause has a unit
 * test of its own, too; these are run because a place that broke once is a likely place to break again.
 */

/** A seed of a scenario. */
export interface Regression {
  readonly scenario: string
  readonly seed: number
  /** What was wrong. */
  readonly cause: string
}

const CLAIM = 'a claim without proof made the floor of an author move who had no entry yet, and stayed'

/** All of them. */
export const REGRESSIONS: readonly Regression[] = [
  {
    scenario: 'liar',
    seed: 402,
    cause: 'what was sent before the restart was given up at the first MISS, before others could be asked'
  },
  ...[69, 131, 176, 242, 281].map(seed => ({ scenario: 'liar', seed, cause: CLAIM })),
  { scenario: 'everything', seed: 443, cause: CLAIM },
  {
    scenario: 'everything',
    seed: 1372,
    cause: 'an AUTHOR was dropped while admit() thought, and the next HAVE looked like a violation'
  },
  {
    scenario: 'drawn',
    seed: 109,
    cause:
      'who told late that it had a message was asked only after further rounds of those who answered with lies'
  },
  ...[
    { scenario: 'drawn', seed: 2802 },
    { scenario: 'liar', seed: 600 }
  ].map(place => ({
    ...place,
    cause: 'who filled a hole of ours was never told what it lacked above that hole'
  })),
  {
    scenario: 'drawn',
    seed: 6990,
    cause:
      'who said MISS was not asked again when it had it, because its watermark stood below a hole of its own'
  }
]
