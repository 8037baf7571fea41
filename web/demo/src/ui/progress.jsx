/* What is being done over the picture, how far it is, and a way to stop it. */
import { Button } from './controls.jsx';

/** @param {{ what: string, part: number, onCancel: () => void }} props  part: 0..1 */
export function Progress({ what, part, onCancel }) {
  const percent = Math.round(100 * part);
  return (
    <div class="progress">
      <div class="bar" role="progressbar" aria-label={what} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}><i style={{ width: `${percent}%` }} /></div>
      <p class="progress-text"><span>{what}</span><Button kind="small" onClick={onCancel}>Cancel</Button></p>
    </div>
  );
}
