/* The Compress tab: a photo, its decoded twin, the settings and the figures. */
import { computed } from '@preact/signals';
import { saveBlob } from '../lib/files.js';
import { formatBytes, formatFixed, formatTime, withExtension } from '../lib/format.js';
import { writePng } from '../lib/pictures.js';
import { codec, loading, modelId, modelList } from '../state/codec.js';
import { report } from '../state/notice.js';
import { rival, rivalNames } from '../state/rival.js';
import { cancel, closeSource, job, openFile, running, shelf, shown, source } from '../state/session.js';
import { rangeOf, settings, tab } from '../state/settings.js';
import { Command, quoted } from '../ui/command.jsx';
import { Compare } from '../ui/compare.jsx';
import { Button, Check, Choice, Figures, Section, Segmented, Slider } from '../ui/controls.jsx';
import { Pixels } from '../ui/pixels.jsx';
import { Progress } from '../ui/progress.jsx';
import { Batch } from './batch.jsx';
import { choose, Intro } from './intro.jsx';

export function CompressView() {
  return (
    <>
      <Stage />
      <aside class="panel" aria-label="Settings and figures">
        {source.value && <Size />}
        <Settings />
        {source.value?.blob && <Look />}
        {source.value && <Line />}
      </aside>
    </>
  );
}

function Stage() {
  const picture = source.value;
  if (!picture) return <section class="stage" aria-label="Picture"><Intro /></section>;
  const sliding = settings.view.value === 'slider'; // a difference is always to the original
  const other = sliding && settings.against.value !== 'original' && rival.value?.url ? rival.value : null;
  const url = other?.url ?? picture.url, decoded = shown.value?.decoded;
  const beforeLabel = other ? `${rivalNames[other.kind]}, ${formatBytes(other.bytes)}` : 'Original', afterLabel = picture.tess ? 'Opened file' : 'Tesserae';
  return (
    <section class="stage" aria-label="Picture" aria-busy={running.value} style={{ '--tall': picture.height / picture.width }}>
      <Compare key={picture.id} width={picture.width} height={picture.height} view={settings.view.value} beforeLabel={beforeLabel} afterLabel={afterLabel}
        before={url && <img class="picture" src={url} alt={beforeLabel} draggable={false} />} after={decoded && <Pixels class="picture" image={decoded} label={afterLabel} />} />
      {job.value && <Work />}
      {shelf.value.length > 1 && <Shelf />}
    </section>
  );
}

const stages = { load: 'Loading', analyse: 'Looking', encode: 'Encoding', entropy: 'Packing', decode: 'Decoding' };

function Work() {
  const { stage, done, total } = job.value;
  return <Progress what={stages[stage]} part={stage === 'load' ? (loading.value ?? 0) : done / total} onCancel={cancel} />;
}

/** The pictures of a drop of several, to go from one to the next. */
function Shelf() {
  return (
    <nav class="shelf" aria-label="Opened pictures">
      {shelf.value.map((file) => (
        <button key={file.id} type="button" aria-current={file.id === source.value.id ? 'true' : undefined} title={file.name} onClick={() => openFile(file.blob, file.id)}>
          {file.name}
        </button>
      ))}
    </nav>
  );
}

const coders = { context: 'Contexts', predictor: 'Predictors' };

const ratio = computed(() => {
  const { bytes, blob, width, height } = source.value ?? {};
  const size = shown.value?.bytes.length;
  if (!size) return '';
  const raw = `${Math.round((width * height * 3) / size)}× smaller than raw`;
  return blob ? `${Math.abs(100 * (size / bytes - 1)).toFixed(0)} % ${size > bytes ? 'larger' : 'smaller'} than the ${formatBytes(bytes)} input` : raw;
});

function Size() {
  const { name, width, height } = source.value;
  const now = shown.value;
  return (
    <Section>
      <div class="file-line">
        <p class="file-name" title={name}>{name}<small>{width} × {height}</small></p>
        <Button kind="quiet" icon="open" label="Open another picture" onClick={choose} />
        <Button kind="quiet" icon="close" label="Close the picture" onClick={closeSource} />
      </div>
      <p class={`headline${running.value ? ' stale' : ''}`}><strong data-figure="bytes" title={now && `${now.bytes.length} bytes`}>{formatBytes(now?.bytes.length)}</strong><span>{now ? ratio : ' '}</span></p>
      <Figures stale={running.value} rows={[
        ['bpp', formatFixed(now?.bpp, 3), 'Bits per pixel, whole file'],
        ['PSNR', now?.psnr === undefined ? '–' : `${formatFixed(now.psnr, 2)} dB`, 'Against the original'],
        ['MS-SSIM', formatFixed(now?.msSsim, 4), 'Structural likeness to the original: 1 is equal'],
        ['Encode', formatTime(now?.encodeMs), 'Time in the codec'],
        ['Decode', formatTime(now?.decodeMs), 'From file to pixels'],
        ['Tokens', now?.tokens ? `${now.tokens.width}×${now.tokens.height}×${now.tokens.levels}` : '–', 'Grid and levels'],
        ['Coder', coders[now?.coder] ?? '–', 'What says how likely the tokens are: the context model alone, or the model’s predictors too'],
      ]} />
      <div class="actions">
        <Button kind="primary" icon="save" disabled={!now} onClick={saveTess}>Download .tess</Button>
        <Button icon="picture" disabled={!now} onClick={savePng}>PNG</Button>
        <Button icon="arrow" disabled={!now?.tokens} onClick={() => (tab.value = 'tokens')}>Tokens</Button>
      </div>
      {shelf.value.length > 1 && <Batch />}
    </Section>
  );
}

/** Whether the model has predictors, as far as it is known: it is loaded when it is first needed. */
const predicts = computed(() => codec.value?.model.predictors !== 0);

const saveTess = () => saveBlob(new Blob([shown.value.bytes], { type: 'application/octet-stream' }), withExtension(source.value.name, '.tess'));
const savePng = () =>
  writePng(shown.value.decoded).then((blob) => saveBlob(blob, withExtension(source.value.name, '.png')), (error) => report(error, 'The PNG could not be made'));

function Settings() {
  const { rule, quality, bpp, kilobytes, effort, predict } = settings;
  const fixed = Boolean(source.value?.tess);
  const range = (name) => ({ min: rangeOf(name).min, max: rangeOf(name).max, value: settings[name].value, disabled: fixed });
  return (
    <Section title="Encode">
      {fixed && <p class="hint">This is a .tess file: it is shown as it is. Open a picture to encode one.</p>}
      <Segmented label="Aim for" value={rule.value} disabled={fixed} onChange={(value) => (rule.value = value)} options={[['quality', 'Quality'], ['bpp', 'Bits per pixel'], ['size', 'File size']]} />
      {rule.value === 'quality' && <Slider label="Quality" {...range('quality')} onInput={(x) => (quality.value = x)} />}
      {rule.value === 'bpp' && <Slider label="Bits per pixel" {...range('bpp')} scale="log" format={(x) => x.toFixed(3)} onInput={(x) => (bpp.value = Number(x.toFixed(3)))} />}
      {rule.value === 'size' && <Slider label="File size" {...range('kilobytes')} scale="log" format={(x) => `${x} kB`} onInput={(x) => (kilobytes.value = Number(x.toPrecision(3)))} />}
      <Slider label="Effort" {...range('effort')} format={(x) => `${x} of 9`} onInput={(x) => (effort.value = x)} />
      <Check label="Predict tokens: smaller file, slower" checked={predict.value && predicts.value} disabled={fixed || !predicts.value} hint={!predicts.value && 'This model has no predictors.'} onChange={(on) => (predict.value = on)} />
      <Choice label="Model" value={modelId.value} options={modelList.value.map(({ id, label }) => [id, label])} onChange={(id) => (modelId.value = id)} />
    </Section>
  );
}

function Look() {
  const { against, view } = settings;
  const other = rival.value;
  return (
    <Section title="Compare">
      <Segmented label="Compare with" value={against.value} onChange={(value) => (against.value = value)} options={[['original', 'Original'], ['jpeg', 'JPEG'], ['webp', 'WebP']]} />
      {against.value !== 'original' && <p class="hint" aria-live="polite">{rivalText(against.value, other)}</p>}
      <Segmented label="Show as" value={view.value} onChange={(value) => (view.value = value)} options={[['slider', 'Slider'], ['difference', 'Difference']]} />
    </Section>
  );
}

function rivalText(kind, other) {
  const name = rivalNames[kind];
  if (!other) return `Making a ${name} of the same size…`;
  if (!other.url) return `This browser does not write ${name}.`;
  const size = shown.value && other.bytes > shown.value.bytes.length ? `${name} gets no smaller than ${formatBytes(other.bytes)}` : `${name} at ${formatBytes(other.bytes)}`;
  return `${size}: PSNR ${formatFixed(other.psnr)} dB, MS-SSIM ${formatFixed(other.msSsim, 4)}.`;
}

/** The same work as a command line. */
function Line() {
  const { name, tess } = source.value;
  const { rule, quality, bpp, kilobytes, effort, predict } = settings;
  const aim = { quality: `-q ${quality.value}`, bpp: `--bpp ${bpp.value}`, size: `--size ${Math.round(kilobytes.value * 1000)}` }[rule.value];
  return <Command line={tess
    ? `tesserae decode ${quoted(name)} -o ${quoted(withExtension(name, '.png'))}`
    : `tesserae encode ${quoted(name)} ${aim} -e ${effort.value}${predict.value && predicts.value ? ' --predict' : ''} -o ${quoted(withExtension(name, '.tess'))}`} />;
}
