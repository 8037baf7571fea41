/* The same work as a command line, to be copied. */
import { notify, report } from '../state/notice.js';
import { Button, Section } from './controls.jsx';

/** A file name as a shell takes it. */
export const quoted = (name) => (/^[\w.,-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

export function Command({ line }) {
  const copy = () => navigator.clipboard.writeText(line).then(() => notify('Copied.'), (error) => report(error, 'Not copied'));
  return (
    <Section title="Command line">
      <div class="command"><code tabIndex={0}>{line}</code><Button kind="quiet" icon="copy" label="Copy the command" onClick={copy} /></div>
    </Section>
  );
}
