// Cross-entropy (lecture 06). Scores are N × C × P: N images, C classes, P pixels. A thread computes one pixel, walking over
// its classes; neighbouring threads read neighbouring pixels of one class after another.

// A block's sum of what its threads hold, written to parts[number of the block].
__device__ void write_sum(double value, double* parts) {
  __shared__ double partial[32];
  value = block_sum(value, partial);
  if (threadIdx.x == 0) parts[blockIdx.x] = value;
}

// parts: sums of the weights of the pixels that count, what a mean is divided by. Floor: reads 8 bytes a pixel.
template <typename T>
__global__ void sum_of_weights(
    const Index* labels, const T* weight, double* parts, Index has_weight, Index has_void, Index ignored, Index count) {
  double sum = 0;
  for (Index i = column_of_thread(); i < count; i += thread_step())
    if (!has_void || labels[i] != ignored) sum += has_weight ? (double)weight[labels[i]] : 1.0;
  write_sum(sum, parts);
}

struct Sizes {
  Index classes_pixels[2], ignored[2], images_[2];  // ignored: (whether there is a void label, which)
  __device__ Index classes() const { return classes_pixels[0]; }
  __device__ Index pixels() const { return classes_pixels[1]; }
  __device__ Index count() const { return images_[0] * classes_pixels[1]; }
  __device__ bool counts(Index label) const { return !ignored[0] || label != ignored[1]; }
};

// Losses and gradient together: the exponentials serve both.
//   loss = w[t]·(1 − ε)·(log Σ exp(x − m) − (x[t] − m)) + Σ_c ε/C·w[c]·(log Σ exp(x − m) − (x[c] − m))
//   dx[c] = g·(p[c]·(w[t]·(1 − ε) + Σ ε/C·w) − ε/C·w[c] − [c = t]·w[t]·(1 − ε))
// parts: sums of the blocks' losses; losses: of each pixel, or not wanted. scale: g, one number (scale_step 0) or one for each
// pixel. share is ε/C.
// Floor: reads N·C·P numbers and N·P labels of 8 bytes, writes N·C·P numbers where the gradient is wanted (the scores are read
// a second and third time from the cache); 2 exponentials a number. Memory-bound.
template <typename T>
__global__ void cross_entropy(
    const T* scores, const Index* labels, const T* weight, const T* scale, T* losses, T* gradient, double* parts, Sizes s,
    Index has_weight, Index scale_step, Index wants_losses, Index wants_gradient, T smoothing, T share) {
  double sum = 0;
  T all_shares = 0;  // Σ ε/C·w
  if (smoothing > 0)
    for (Index c = 0; c < s.classes(); ++c) all_shares += has_weight ? share * weight[c] : share;
  for (Index i = column_of_thread(); i < s.count(); i += thread_step()) {
    Index first = i / s.pixels() * s.classes() * s.pixels() + i % s.pixels();
    const T* x = scores + first;
    T* dx = gradient + first;
    bool counts = s.counts(labels[i]);
    Index label = counts ? labels[i] : 0;  // a void label may name no class
    T largest = x[0], total = 0, smooth = 0;
    for (Index c = 1; c < s.classes(); ++c) largest = max(largest, x[c * s.pixels()]);
    for (Index c = 0; c < s.classes(); ++c) {
      T shifted = x[c * s.pixels()] - largest;
      total += exp(shifted);
      if (smoothing > 0) smooth += (has_weight ? share * weight[c] : share) * shifted;
    }
    T own = (1 - smoothing) * (has_weight ? weight[label] : (T)1);
    T loss = (log(total) - (x[label * s.pixels()] - largest)) * own;
    if (smoothing > 0) loss += all_shares * log(total) - smooth;
    if (!counts) loss = 0;
    if (wants_losses) losses[i] = loss;
    sum += (double)loss;
    if (!wants_gradient) continue;
    T g = counts ? scale[i * scale_step] : (T)0, each = g * (own + all_shares) / total;
    for (Index c = 0; c < s.classes(); ++c) {
      T slope = exp(x[c * s.pixels()] - largest) * each;
      if (smoothing > 0) slope -= g * (has_weight ? share * weight[c] : share);
      dx[c * s.pixels()] = c == label ? slope - g * own : slope;
    }
  }
  write_sum(sum, parts);
}

// loss = −w[t]·x[t]. Floor: reads a label of 8 bytes and a number a pixel.
template <typename T>
__global__ void nll_loss(
    const T* scores, const Index* labels, const T* weight, T* losses, double* parts, Sizes s, Index has_weight,
    Index wants_losses) {
  double sum = 0;
  for (Index i = column_of_thread(); i < s.count(); i += thread_step()) {
    Index first = i / s.pixels() * s.classes() * s.pixels() + i % s.pixels(), label = labels[i];
    T loss = 0;
    if (s.counts(label)) loss = -scores[first + label * s.pixels()] * (has_weight ? weight[label] : (T)1);
    if (wants_losses) losses[i] = loss;
    sum += (double)loss;
  }
  write_sum(sum, parts);
}

// Floor: reads 8 bytes a pixel, writes N·C·P numbers. Memory-bound.
template <typename T>
__global__ void nll_loss_backward(
    const Index* labels, const T* weight, const T* scale, T* gradient, Sizes s, Index has_weight, Index scale_step) {
  for (Index i = column_of_thread(); i < s.count(); i += thread_step()) {
    Index first = i / s.pixels() * s.classes() * s.pixels() + i % s.pixels(), label = labels[i];
    bool counts = s.counts(label);
    for (Index c = 0; c < s.classes(); ++c) gradient[first + c * s.pixels()] = 0;
    if (counts) gradient[first + label * s.pixels()] = -scale[i * scale_step] * (has_weight ? weight[label] : (T)1);
  }
}

// Against probabilities of the classes: loss = −Σ_c w[c]·q[c]·log p[c] with q[c] = (1 − ε)·target[c] + ε/C, and its gradient
//   dx[c] = g·(p[c]·Σ w·q − w[c]·q[c])
// Floor: reads 2·N·C·P numbers, writes N·C·P where the gradient is wanted. Memory-bound.
template <typename T>
__global__ void soft_cross_entropy(
    const T* scores, const T* target, const T* weight, const T* scale, T* losses, T* gradient, double* parts, Sizes s,
    Index has_weight, Index scale_step, Index wants_losses, Index wants_gradient, T smoothing, T share) {
  double sum = 0;
  for (Index i = column_of_thread(); i < s.count(); i += thread_step()) {
    Index first = i / s.pixels() * s.classes() * s.pixels() + i % s.pixels();
    const T* x = scores + first;
    const T* q = target + first;
    T largest = x[0], total = 0, all = 0, loss = 0;
    for (Index c = 1; c < s.classes(); ++c) largest = max(largest, x[c * s.pixels()]);
    for (Index c = 0; c < s.classes(); ++c) total += exp(x[c * s.pixels()] - largest);
    T log_total = log(total);
    for (Index c = 0; c < s.classes(); ++c) {
      T wanted = ((1 - smoothing) * q[c * s.pixels()] + share) * (has_weight ? weight[c] : (T)1);
      all += wanted;
      loss -= wanted * (x[c * s.pixels()] - largest - log_total);
    }
    if (wants_losses) losses[i] = loss;
    sum += (double)loss;
    if (!wants_gradient) continue;
    T g = scale[i * scale_step];
    for (Index c = 0; c < s.classes(); ++c) {
      T wanted = ((1 - smoothing) * q[c * s.pixels()] + share) * (has_weight ? weight[c] : (T)1);
      gradient[first + c * s.pixels()] = g * (exp(x[c * s.pixels()] - largest) / total * all - wanted);
    }
  }
  write_sum(sum, parts);
}
