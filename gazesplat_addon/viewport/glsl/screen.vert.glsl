// SPDX-License-Identifier: GPL-3.0-or-later
// A triangle over the whole picture.

void main()
{
  gl_Position = vec4(corner.xy, 0.0, 1.0);
}
