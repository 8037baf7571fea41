/* The Upscale tab: a small picture made larger, beside its bicubic enlargement. */
import { pickFiles, saveBlob } from '../lib/files.js';
import { formatTime, withExtension } from '../lib/format.js';
import { report } from '../state/notice.js';
import { rangeOf, settings } from '../state/settings.js';
import { cancel, closeSmall, compressAnswer, fetching, fileOfAnswer, job, large, openShrunk, small, takeFiles, upscale, upscalerId, upscalers } from '../state/upscale.js';
import { Bitmap, Mix } from '../ui/bitmap.jsx';
import { Command, quoted } from '../ui/command.jsx';
import { Compare } from '../ui/compare.jsx';
import { Button, Choice, Section, Segmented, Slider } from '../ui/controls.jsx';
import { Progress } from '../ui/progress.jsx';
import { Start } from './intro.jsx';

const choose = async () => takeFiles(await pickFiles({ accept: 'image/*' }));

export function UpscaleView() {
  const picture = small.value;
  return (
    <>
      <section class="stage" aria-label="Picture" aria-busy={job.value !== null} style={picture && { '--tall': picture.pixels.height / picture.pixels.width }}>
        {picture ? <Pictures /> : <Intro />}
        {job.value && <Work />}
      </section>
      <aside class="panel" aria-label="Upscale settings">
        {picture && <Picture />}
        <Settings />
        {picture && <Line />}
      </aside>
    </>
  );
}

function Intro() {
  return (
    <Start title="Make a small picture larger" choose={choose} open={openShrunk} hint="or drop one anywhere, or paste. Samples are made four times smaller first.">
      Twice or four times as wide and high. A small network paints the detail that bicubic enlargement cannot; you say how far it may go.
    </Start>
  );
}

function Pictures() {
  if (!large.value) return null;
  const { width, height, bicubic, original, smooth, sharp } = large.value;
  const [other, label] = original && settings.beside.value === 'original' ? [original, 'Original'] : [bicubic, 'Bicubic'];
  return (
    <Compare key={bicubic} width={width} height={height} beforeLabel={label} afterLabel="Tesserae" before={<Bitmap key={label} class="picture" image={other} label={label} />}
      after={smooth && <Mix class="picture" a={smooth.bitmap} b={sharp?.bitmap} share={settings.sharpness.value} label="Tesserae" />} />
  );
}

const stages = { load: 'Loading', smooth: 'Smooth answer', sharp: 'Sharp answer' };

function Work() {
  const { stage, part } = job.value;
  return <Progress what={stages[stage]} part={fetching.value ?? part} onCancel={cancel} />;
}

function Picture() {
  const { name, pixels: { width, height } } = small.value;
  const { smooth, sharp, ms } = large.value ?? {};
  const factor = Number(settings.factor.value);
  const save = () => fileOfAnswer().then((file) => saveBlob(file, file.name), (error) => report(error, 'The PNG could not be made'));
  return (
    <Section>
      <div class="file-line">
        <p class="file-name" title={name}>{name}<small>{width} × {height}</small></p>
        <Button kind="quiet" icon="open" label="Open another picture" onClick={choose} />
        <Button kind="quiet" icon="close" label="Close the picture" onClick={closeSmall} />
      </div>
      <p class={`headline${job.value ? ' stale' : ''}`}><strong>{factor * width} × {factor * height}</strong><span>{factor ** 2} times the pixels{sharp && `, in ${formatTime(ms)}`}</span></p>
      <div class="actions">
        {smooth || job.value
          ? <Button kind="primary" icon="save" disabled={!smooth} onClick={save}>Download PNG</Button>
          : <Button kind="primary" icon="play" onClick={upscale}>Enlarge</Button>}
        <Button icon="arrow" disabled={!smooth} onClick={compressAnswer}>Compress</Button>
      </div>
    </Section>
  );
}

const inWords = (sharpness) => ({ 0: 'smooth', 1: 'sharp' })[sharpness] ?? `${Math.round(100 * sharpness)} %`;

function Settings() {
  const { factor, sharpness, beside } = settings;
  const { min, max } = rangeOf('sharpness');
  return (
    <Section title="Enlarge">
      <Segmented label="Factor" showLabel value={factor.value} onChange={(value) => (factor.value = value)} options={[['2', '× 2'], ['4', '× 4']]} />
      <Slider label="Sharpness" value={sharpness.value} min={min} max={max} step={0.01} format={inWords} onInput={(x) => (sharpness.value = x)}
        hint="Smooth: what the picture bears out. Sharp: likely detail, made up where the picture has none." />
      {large.value?.original && <Segmented label="Compare with" showLabel value={beside.value} onChange={(value) => (beside.value = value)} options={[['bicubic', 'Bicubic'], ['original', 'Original']]} />}
      {upscalers.value.length > 1 && <Choice label="Model" value={upscalerId.value} options={upscalers.value.map(({ id, label }) => [id, label])} onChange={(id) => (upscalerId.value = id)} />}
    </Section>
  );
}

function Line() {
  const { name } = small.value;
  const { factor, sharpness } = settings;
  return <Command line={`tesserae upscale ${quoted(name)} --factor ${factor.value} --sharpness ${sharpness.value} -o ${quoted(withExtension(name, `-x${factor.value}.png`))}`} />;
}
