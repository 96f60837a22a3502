"""ROS 2 node: head poses of the images of a topic. Not run on ROS; tested against a double of rclpy.

    python3 examples/ros2_node.py --ros-args -r image:=/camera/image_rect -r camera_info:=/camera/camera_info

Subscribes to image (sensor_msgs/Image: bgr8, rgb8, mono8) and camera_info. Publishes ~/poses (geometry_msgs/PoseArray),
~/faces (vision_msgs/Detection2DArray) and, once camera_info is known, /tf, all in the image's frame and at its time.
Parameters: model, detector (default: the embedded ones). Images must be rectified.
"""

import contextlib

import builtin_interfaces.msg
import geometry_msgs.msg
import numpy as np
import rclpy
import sensor_msgs.msg
import std_msgs.msg
import tf2_msgs.msg
import vision_msgs.msg
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

import hpe_edge
from hpe_edge.ros.ros_definitions import DEFINITIONS, fields_of
from hpe_edge.ros.ros_messages import face_messages

PACKAGES = {
    "builtin_interfaces": builtin_interfaces.msg,
    "geometry_msgs": geometry_msgs.msg,
    "std_msgs": std_msgs.msg,
    "tf2_msgs": tf2_msgs.msg,
    "vision_msgs": vision_msgs.msg,
}
CHANNELS = {"bgr8": 3, "rgb8": 3, "mono8": 1}


def to_ros(kind, plain):
    """Return a message of ROS with the fields of a plain one."""
    package, name = kind.split("/")
    message = getattr(PACKAGES[package], name)()
    for field, field_kind, length in fields_of(kind):
        value = plain[field]
        if field_kind in DEFINITIONS:
            value = to_ros(field_kind, value) if length is None else [to_ros(field_kind, each) for each in value]
        setattr(message, field, value)
    return message


def pixels_of(image):
    """Return the pixels uint8 [H, W, 3], BGR."""
    channels = CHANNELS[image.encoding]
    rows = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    pixels = rows[:, : image.width * channels].reshape(image.height, image.width, channels)
    if channels == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, ::-1] if image.encoding == "rgb8" else pixels)


class HeadPoseNode(Node):
    def __init__(self):
        super().__init__("head_pose")
        model = self.declare_parameter("model", "").value
        detector = self.declare_parameter("detector", "face-detector").value
        self._engine = hpe_edge.PoseEngine(model or None, detector=detector)
        self._camera = None
        self._poses = self.create_publisher(geometry_msgs.msg.PoseArray, "~/poses", 10)
        self._faces = self.create_publisher(vision_msgs.msg.Detection2DArray, "~/faces", 10)
        self._tf = self.create_publisher(tf2_msgs.msg.TFMessage, "/tf", 100)
        self.create_subscription(sensor_msgs.msg.CameraInfo, "camera_info", self._set_camera, qos_profile_sensor_data)
        self.create_subscription(sensor_msgs.msg.Image, "image", self._estimate, qos_profile_sensor_data)

    def _set_camera(self, info):
        if info.p[0] > 0:  # of the rectified image; an uncalibrated camera has zeros
            self._camera = hpe_edge.Camera.from_opencv(np.reshape(info.p, (3, 4))[:, :3])

    def _estimate(self, image):
        if image.encoding not in CHANNELS:
            self.get_logger().error(f"images must be {', '.join(CHANNELS)}, got {image.encoding}", once=True)
            return
        poses = self._engine(pixels_of(image), camera=self._camera)
        stamp = image.header.stamp
        made = face_messages(poses, stamp.sec * 10**9 + stamp.nanosec, self._camera, image.header.frame_id)
        self._poses.publish(to_ros("geometry_msgs/PoseArray", made.poses))
        self._faces.publish(to_ros("vision_msgs/Detection2DArray", made.faces))
        if made.transforms is not None:
            self._tf.publish(to_ros("tf2_msgs/TFMessage", made.transforms))


def main():
    rclpy.init()
    node = HeadPoseNode()
    with contextlib.suppress(KeyboardInterrupt):
        rclpy.spin(node)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
