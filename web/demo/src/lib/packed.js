/* An ImageData on its way to another thread and back. As it is, its pixels are copied there and here, transferred or not; its buffer
 * is not. */

export const pack = ({ data, width, height }) => ({ buffer: data.buffer, width, height });
export const unpack = ({ buffer, width, height }) => new ImageData(new Uint8ClampedArray(buffer), width, height);
