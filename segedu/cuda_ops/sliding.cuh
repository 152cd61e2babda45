// Windows over an image, as in `numpy_ops/_sliding.py`: element a of window i lies at pixel i·stride + a·dilation − before.
// Rows first, then columns. The image has groups × image_channels channels, the windows groups × window_channels;
// weights are (channels of windows) × image_channels × kernel height × kernel width.
struct Sliding {
  Index kernel[2], stride[2], dilation[2], before[2], size[2], output[2], images_groups[2], channels[2];
  __device__ Index images() const { return images_groups[0]; }
  __device__ Index groups() const { return images_groups[1]; }
  __device__ Index window_channels() const { return channels[0]; }
  __device__ Index image_channels() const { return channels[1]; }
  __device__ Index taps() const { return kernel[0] * kernel[1]; }
  __device__ Index pixels() const { return size[0] * size[1]; }
  __device__ Index windows() const { return output[0] * output[1]; }
};
