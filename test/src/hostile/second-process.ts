/** A process that opens a party on a folder, and prints with what code that ended. */
import { createKeyPair } from '@hearsay/gossip'
import { Party } from '@hearsay/party'

const [folder = ''] = process.argv.slice(2)
const party = new Party({ key: new Uint8Array(32).fill(0x42), storage: folder, keyPair: createKeyPair() })
const code = await party.ready().then(
  () => 'opened',
  fault => (fault as { code: string }).code
)
await party.close()
console.log(code)
