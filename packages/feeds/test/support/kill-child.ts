/**
 * Authorizes and revokes at random until it is killed; tells its parent before and after each call. With 'unsynced', the log
 * says that it is on the disk without being so: a fault that a test of power cuts must find.
 */
import { FeedSet } from '@hearsay/feeds'
import b4a from 'b4a'
import { openLogFile } from '#feeds/node/log-file'

const [folder = '', round = '0', mode = 'synced'] = process.argv.slice(2)
let seed = Number(round) + 1

function random(below: number): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return (seed >> 8) % below
}

const openFile = async (path: string) => ({ ...(await openLogFile(path)), sync: async () => {} })
const set = new FeedSet(folder, {}, mode === 'unsynced' ? { openFile } : {})
await set.ready()
for (;;) {
  const key = random(6)
  const isAuthorized = random(2) === 1
  process.send?.({ key, isAuthorized, isDone: false })
  if (isAuthorized) await set.authorize(b4a.alloc(32, key))
  else await set.revoke(b4a.alloc(32, key))
  process.send?.({ key, isAuthorized, isDone: true })
}
