/**
 * A process with two parties that it closes, while a rule hangs or after it refused. No test: a test starts it.
 *
 * Word 'refuse' or 'hang' says which. When both are closed it prints `closed`; then it has to end by itself, soon.
 */
import type { PartyRules } from '@hearsay/party'
import { Party, rules } from '@hearsay/party'
import { noisePair } from '../support/streams.js'
import { until } from '../support/until.js'

const [mode, ...folders] = process.argv.slice(2)
let asked = 0
const handshake: PartyRules['handshake'] = () => {
  asked++
  if (mode === 'refuse') throw new TypeError('in a rule')
  return new Promise(() => {})
}
const parties = folders.map((storage, i) => {
  const party = new Party({
    key: new Uint8Array(32).fill(1),
    storage,
    rules: { ...rules.open(), ...(i === 0 ? { handshake } : {}) }
  })
  party.on('warning', () => {})
  return party
})
const [first, second] = parties as [Party, Party]
await Promise.all(parties.map(party => party.ready()))
const { a, b } = noisePair()
first.attach(a)
second.attach(b)
await until(() => asked > 0 && (mode === 'hang' || first.peers.size === 0))
await Promise.all(parties.map(party => party.close()))
a.destroy()
process.stdout.write('closed\n')
