/**
 * Authorizes and revokes at random until it is killed; tells its parent before and after each call.
 */
import { FeedSet } from '@hearsay/feeds'
import b4a from 'b4a'

const [folder = '', round = '0'] = process.argv.slice(2)
let seed = Number(round) + 1

function random(below: number): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return (seed >> 8) % below
}

const set = new FeedSet(folder)
await set.ready()
for (;;) {
  const key = random(6)
  const isAuthorized = random(2) === 1
  process.send?.({ key, isAuthorized, isDone: false })
  if (isAuthorized) await set.authorize(b4a.alloc(32, key))
  else await set.revoke(b4a.alloc(32, key))
  process.send?.({ key, isAuthorized, isDone: true })
}
