"""Descriptions and epilogs of the commands run and serve."""

RUN_DESCRIPTION = """\
Estimate the pose of every face in pictures, a video, a camera or a stream. Without -o, --csv, --jsonl, --mcap, --udp
and --show the angles are printed and no file is written. Without --model the embedded model is used.

Angles are degrees. Yaw > 0: the face turns to the left of the image; pitch > 0: it looks up; roll > 0: it tilts
clockwise in the image.
"""

RUN_EPILOG = """\
examples:
  hpe-edge run photo.jpg -o annotated.png
  hpe-edge run photos/*.jpg -o annotated/ --csv poses.csv
  hpe-edge run photos/ --recursive --csv - | head
  hpe-edge run clip.mp4 -o annotated.webm --jsonl poses.jsonl
  hpe-edge run clip.mp4 --model model.onnx --boxes faces.csv --boxes-from retinaface --csv poses.csv
  hpe-edge run car.mp4 --neutral learn:20 --zones zones.json --events events.jsonl
  hpe-edge run 0 --smooth --show --udp 127.0.0.1:4242
  hpe-edge run rtsp://user:password@host/live --jsonl poses.jsonl
  hpe-edge run 0 --size 1280x720 --fps 30 --fourcc MJPG --csv poses.csv
  ffmpeg -i clip.mp4 -f rawvideo -pix_fmt bgr24 - | hpe-edge run - --raw 1280x720@25 --csv poses.csv

sources:
  Pictures, folders of pictures and patterns ('photos/*.jpg', ** for any folders), as many as you like; HEIC and some
  AVIF need pip install 'hpe-edge[heif]'. Or one of: a video file, a camera's number or /dev/video file, the URL of a
  stream (rtsp://, http:// ...), a GStreamer pipeline ending in an appsink (OpenCV must be built with GStreamer), or -
  for raw frames on standard input, described by --raw.
  Every frame of a file is processed. A camera or stream does not wait: only the newest frame is kept while one is
  processed, and the summary counts the dropped frames. A lost connection is reconnected for up to five minutes
  (--reconnect), then the run ends with exit status 1. Ctrl-C and --frames end it as well, with status 0; its files are
  complete in any case. Raw frames of a camera need --live, as their writer would be made to wait otherwise.
  Frames are turned by the file's tag, and pixels that are not square by its header are made so; --sar, --rotate and
  --mirror are for sources that do not say it. Boxes are in pixels of the changed frames, --intrinsics in those of the
  source's own frames, --camera-fov is that of the changed ones.

faces:
  The default detector is embedded. It shrinks frames to 640 pixels on the longer side; with --min-face it searches as
  finely as faces of that height need. Others are yunet and scrfd (--detector); or give boxes (--boxes). Models crop
  relative to a box from chin to eyebrows: --boxes-from names the detector that drew the boxes, so that they are
  converted. Pictures are matched by the column file: their paths, or enough of their ends. Faces in videos are tracked
  and numbered (track). If there is no face in the whole input, nothing is written and the exit status is 1.

files:
  The column file holds a picture's path relative to the deepest folder of all sources, and -o OUT/ mirrors it. Results
  appear under their names when complete; existing files are replaced. Where a source has an end, Ctrl-C, SIGTERM and
  SIGHUP keep what is finished as NAME.partial.EXT, and a second Ctrl-C, over a second later, keeps nothing. After an
  error no unfinished file is left.
  An annotated video has the source's frame rate, or one that keeps the times of frames whose rate varies, the size of
  its first frame, and no sound. .mp4 and .mkv are MPEG-4
  part 2, which VLC, mpv and ffplay play and browsers do not. .webm is VP9, which browsers play too; it takes far longer
  to write. After SIGKILL or a power failure hidden files .NAME.*.tmp.EXT are left: records in them are whole up to the
  last frame, those of .mcap nearly so, .mkv and .webm play as far as they were written, an .mp4 does not play.

ROS 2:
  --mcap writes /hpe_edge/poses (geometry_msgs/PoseArray), /hpe_edge/faces (vision_msgs/Detection2DArray, version 4)
  and, where the camera is given, /tf. Positions are 0 without a camera. ros2 bag play -s mcap FILE plays it.

OpenTrack:
  --udp sends one face: the one sent before while it is seen, else the largest. In OpenTrack choose the input "UDP over
  network" with that port. x, y and z are 0 unless the camera is given.
"""

SERVE_DESCRIPTION = """\
Show a camera, stream or video in a browser: the annotated picture, a head that turns with each pose, and the angles
over time. A video file waits for the first browser and then plays at its own speed; cameras, streams and raw frames do
not wait. Frames that arrive while one is processed are dropped.
"""

SERVE_EPILOG = """\
examples:
  hpe-edge serve 0
  hpe-edge serve clip.mp4 --detector yunet --smooth --loop
  hpe-edge serve car.mp4 --mount 30,20,0 --zones zones.json
  hpe-edge serve rtsp://host/live --model model.onnx --host 0.0.0.0 --port 9000

access:
  On 127.0.0.1, the default, only this machine can see the page. With another --host, everyone who can reach it and
  knows the printed URL, which holds a token; the connection is not encrypted. Over ssh, -L 8765:127.0.0.1:8765 needs
  neither.

Ctrl-C ends it: the exit status is 0, and files are complete up to there. SOURCE and the other options are those of
hpe-edge run.
"""
