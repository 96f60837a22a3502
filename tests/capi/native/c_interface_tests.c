/* The interface from C99: what it refuses, and the least that it must compute. Comparisons with Python are in
 * tests/capi; blocks are of exactly their own size, so that the address sanitizer sees every byte too many. */
#include <hpe_edge.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec_text.h"

static int failures = 0;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            ++failures;                                                                   \
            printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, hpe_last_error()); \
        }                                                                                 \
    } while (0)

/* The call must fail so, with a message that holds a word. */
#define REFUSED(call, status, word)                      \
    do {                                                 \
        CHECK((call) == (status));                       \
        CHECK(strstr(hpe_last_error(), (word)) != NULL); \
    } while (0)

enum { SIZE = 16, FACE = 3 * SIZE * SIZE, WIDTH = 24, HEIGHT = 20 };

static hpe_spec* read_spec(const char* text) {
    hpe_spec* spec = NULL;
    CHECK(hpe_spec_read(text, strlen(text), &spec) == HPE_OK);
    return spec;
}

static uint8_t* new_bytes(size_t count) {
    uint8_t* bytes = malloc(count);
    size_t i;
    for (i = 0; i < count; ++i) bytes[i] = (uint8_t)(i * 37 + i / 7);
    return bytes;
}

static void versions(void) {
    CHECK(hpe_abi_version() == HPE_EDGE_ABI_VERSION);
    CHECK(strchr(hpe_version(), '.') != NULL);
    CHECK(hpe_last_error() != NULL);
}

static void specs(void) {
    hpe_spec* spec = read_spec(bins_spec);
    hpe_spec* copy = NULL;
    hpe_spec_info info;
    const char* name = NULL;
    int32_t columns = 0;
    const double margins[4] = {0.2, 0.3, 0.4, 0.5}, none[4] = {-0.5, 0, -0.5, 0}, unknown[4] = {0, NAN, 0, 0};
    size_t cut;
    CHECK(hpe_spec_describe(spec, &info, sizeof info) == HPE_OK);
    CHECK(info.input_size == SIZE && info.input_type == HPE_FLOAT32 && info.output_count == 1);
    CHECK(info.upright == HPE_UPRIGHT_SECOND_PASS && isinf(info.sigma_limit_deg));
    CHECK(strcmp(info.architecture, "tiny") == 0 && strcmp(info.input_name, "image") == 0);
    CHECK(hpe_spec_output(spec, 0, &name, &columns) == HPE_OK);
    CHECK(strcmp(name, "logits") == 0 && columns == 198);
    CHECK(hpe_spec_output(spec, 0, NULL, NULL) == HPE_OK);
    REFUSED(hpe_spec_output(spec, 1, &name, &columns), HPE_INVALID_ARGUMENT, "index");
    REFUSED(hpe_spec_output(spec, -1, &name, &columns), HPE_INVALID_ARGUMENT, "index");
    REFUSED(hpe_spec_describe(spec, &info, 3), HPE_INVALID_ARGUMENT, "info_bytes");
    CHECK(hpe_spec_with_margins(spec, margins, &copy) == HPE_OK);
    CHECK(hpe_spec_describe(copy, &info, sizeof info) == HPE_OK && info.margins[3] == 0.5);
    hpe_spec_free(copy);
    copy = NULL;
    REFUSED(hpe_spec_with_margins(spec, none, &copy), HPE_INVALID_ARGUMENT, "margins");
    REFUSED(hpe_spec_with_margins(spec, unknown, &copy), HPE_INVALID_ARGUMENT, "margins");
    REFUSED(hpe_spec_with_margins(spec, NULL, &copy), HPE_INVALID_ARGUMENT, "margins");
    REFUSED(hpe_spec_with_margins(NULL, margins, &copy), HPE_INVALID_ARGUMENT, "spec");
    CHECK(copy == NULL);
    REFUSED(hpe_spec_read(NULL, 3, &copy), HPE_INVALID_ARGUMENT, "json");
    REFUSED(hpe_spec_read("{}", 2, NULL), HPE_INVALID_ARGUMENT, "spec");
    REFUSED(hpe_spec_read("", 0, &copy), HPE_INVALID_SPEC, "JSON");
    REFUSED(hpe_spec_read("{\"format\": 2}", 13, &copy), HPE_INVALID_SPEC, "format 2");
    /* Every beginning of a spec, in a block that ends there. */
    for (cut = 0; cut + 1 < sizeof bins_spec; ++cut) {
        char* part = malloc(cut ? cut : 1);
        memcpy(part, bins_spec, cut);
        CHECK(hpe_spec_read(part, cut, &copy) == HPE_INVALID_SPEC);
        free(part);
    }
    CHECK(copy == NULL);
    hpe_spec_free(spec);
    hpe_spec_free(NULL);
}

static void crops(const char* text, size_t element) {
    hpe_spec* spec = read_spec(text);
    uint8_t* bytes = new_bytes(WIDTH * HEIGHT * 3);
    hpe_frame frame = {NULL, WIDTH * 3, NULL, 0, WIDTH, HEIGHT, HPE_BGR};
    const float boxes[8] = {4, 3, 17, 16, -5, -5, 9, 30}, turns[2] = {0, 40};
    const double identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    uint8_t* input = malloc(2 * FACE * element);
    uint8_t* again = malloc(FACE * element);
    frame.data = bytes;
    CHECK(hpe_crop_normalize(spec, &frame, boxes, turns, 2, input, 2 * FACE * element) == HPE_OK);
    CHECK(hpe_crop_normalize(spec, &frame, boxes, NULL, 1, again, FACE * element) == HPE_OK);
    CHECK(memcmp(input, again, FACE * element) == 0); /* a turn of 0 is none */
    CHECK(hpe_crop_normalize(spec, &frame, boxes, turns, 2, input, 2 * FACE * element - 1) == HPE_INVALID_ARGUMENT);
    CHECK(hpe_warp_normalize(spec, &frame, identity, 1, again, FACE * element) == HPE_OK);
    CHECK(hpe_crop_normalize(spec, &frame, NULL, NULL, 0, NULL, 0) == HPE_OK);
    free(again);
    free(input);
    free(bytes);
    hpe_spec_free(spec);
}

static void bad_frames(void) {
    hpe_spec* spec = read_spec(bins_spec);
    uint8_t* bytes = new_bytes(WIDTH * HEIGHT * 3);
    const hpe_frame good = {bytes, WIDTH * 3, NULL, 0, WIDTH, HEIGHT, HPE_BGR};
    const float box[4] = {4, 3, 17, 16};
    float* input = malloc(FACE * sizeof(float));
    hpe_frame frame = good;
#define CROP(f) hpe_crop_normalize(spec, (f), box, NULL, 1, input, FACE * sizeof(float))
    CHECK(CROP(&frame) == HPE_OK);
    REFUSED(CROP(NULL), HPE_INVALID_ARGUMENT, "frame");
    frame.data = NULL;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "frame.data");
    frame = good;
    frame.width = 0;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "pixels on each side");
    frame.width = -24;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "pixels on each side");
    frame.width = 65537;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "pixels on each side");
    frame = good;
    frame.row_stride_bytes = WIDTH; /* pixels in place of bytes */
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "row_stride_bytes");
    frame.row_stride_bytes = INT64_MIN;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "row_stride_bytes");
    frame.row_stride_bytes = INT64_MAX;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "row_stride_bytes");
    frame = good;
    frame.format = HPE_BGRA;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "row_stride_bytes");
    frame.format = HPE_NV12_709_FULL + 1;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "frame.format");
    frame.format = -1;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "frame.format");
    frame.format = HPE_NV12;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "chroma");
    frame.chroma = bytes;
    frame.chroma_row_stride_bytes = WIDTH;
    CHECK(CROP(&frame) == HPE_OK);
    frame.width = WIDTH - 1;
    REFUSED(CROP(&frame), HPE_INVALID_ARGUMENT, "even sides");
    frame = good;
    frame.data = bytes + (HEIGHT - 1) * WIDTH * 3; /* bottom-up */
    frame.row_stride_bytes = -WIDTH * 3;
    CHECK(CROP(&frame) == HPE_OK);
#undef CROP
    free(input);
    free(bytes);
    hpe_spec_free(spec);
}

static void bad_faces(void) {
    hpe_spec* spec = read_spec(bins_spec);
    uint8_t* bytes = new_bytes(WIDTH * HEIGHT * 3);
    const hpe_frame frame = {bytes, WIDTH * 3, NULL, 0, WIDTH, HEIGHT, HPE_RGB};
    const float bad[6][4] = {{4, 3, NAN, 16}, {4, 3, INFINITY, 16}, {4, 3, 4, 16},
                             {17, 3, 4, 16},  {0, 0, 2e6f, 5},      {-INFINITY, 0, 3, 5}};
    const float box[4] = {4, 3, 17, 16}, nan_turn[1] = {NAN};
    const double huge[9] = {1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300};
    const double not_finite[9] = {1, 0, 0, 0, 1, 0, 0, 0, NAN};
    float* input = malloc(FACE * sizeof(float));
    const size_t room = FACE * sizeof(float);
    size_t i;
    for (i = 0; i < 6; ++i)
        REFUSED(hpe_crop_normalize(spec, &frame, bad[i], NULL, 1, input, room), HPE_INVALID_ARGUMENT, "box 0");
    REFUSED(hpe_crop_normalize(spec, &frame, box, nan_turn, 1, input, room), HPE_INVALID_ARGUMENT, "turn 0");
    REFUSED(hpe_crop_normalize(spec, &frame, NULL, NULL, 1, input, room), HPE_INVALID_ARGUMENT, "boxes");
    REFUSED(hpe_crop_normalize(spec, &frame, box, NULL, 1, NULL, room), HPE_INVALID_ARGUMENT, "input");
    REFUSED(hpe_crop_normalize(spec, &frame, box, NULL, 1, (char*)input + 1, room), HPE_INVALID_ARGUMENT, "aligned");
    REFUSED(hpe_crop_normalize(spec, &frame, box, NULL, -1, input, room), HPE_INVALID_ARGUMENT, "count");
    REFUSED(hpe_crop_normalize(spec, &frame, box, NULL, INT32_MAX, input, room), HPE_INVALID_ARGUMENT, "count");
    REFUSED(hpe_crop_normalize(NULL, &frame, box, NULL, 1, input, room), HPE_INVALID_ARGUMENT, "spec");
    REFUSED(hpe_warp_normalize(spec, &frame, not_finite, 1, input, room), HPE_INVALID_ARGUMENT, "homography 0");
    REFUSED(hpe_warp_normalize(spec, &frame, NULL, 1, input, room), HPE_INVALID_ARGUMENT, "homographies");
    CHECK(hpe_warp_normalize(spec, &frame, huge, 1, input, room) == HPE_OK);
    free(input);
    free(bytes);
    hpe_spec_free(spec);
}

static void decodes(void) {
    hpe_spec* spec = read_spec(bins_spec);
    float* logits = calloc(2 * 200 - 2, sizeof(float));
    float angles[6], sigma[6], rotation[18];
    const hpe_poses poses = {angles, sigma, rotation}, no_sigma = {angles, NULL, rotation};
    const hpe_output good = {logits, 198, 200};
    hpe_output output = good;
    logits[10] = 100;      /* yaw: bin 10 alone, -99 + 30 */
    logits[200 + 5] = NAN; /* the second face */
    CHECK(hpe_decode(spec, &output, 1, 2, &poses) == HPE_OK);
    CHECK(fabsf(angles[0] + 69) < 1e-4f && fabsf(angles[1] + 1.5f) < 1e-4f && sigma[0] < 1e-3f && sigma[1] > 50);
    CHECK(isnan(angles[3]) && isnan(angles[4]) && isnan(sigma[5]) && isnan(rotation[9]));
    REFUSED(hpe_decode(spec, &output, 2, 2, &poses), HPE_INVALID_ARGUMENT, "outputs");
    REFUSED(hpe_decode(spec, NULL, 1, 2, &poses), HPE_INVALID_ARGUMENT, "outputs");
    REFUSED(hpe_decode(spec, &output, 1, 2, NULL), HPE_INVALID_ARGUMENT, "poses");
    REFUSED(hpe_decode(spec, &output, 1, 2, &no_sigma), HPE_INVALID_ARGUMENT, "sigma_deg");
    REFUSED(hpe_decode(spec, &output, 1, -2, &poses), HPE_INVALID_ARGUMENT, "count");
    output.columns = 197;
    REFUSED(hpe_decode(spec, &output, 1, 2, &poses), HPE_INVALID_ARGUMENT, "columns");
    output = good;
    output.row_stride = 100;
    REFUSED(hpe_decode(spec, &output, 1, 2, &poses), HPE_INVALID_ARGUMENT, "row_stride");
    output = good;
    output.data = NULL;
    REFUSED(hpe_decode(spec, &output, 1, 2, &poses), HPE_INVALID_ARGUMENT, "data");
    CHECK(hpe_decode(spec, &output, 1, 0, &poses) == HPE_OK);
    free(logits);
    hpe_spec_free(spec);
}

static void turns(void) {
    /* A face on its side: the eyes to the right, the mouth to the left, so it is tilted clockwise by 90 degrees. */
    const float points[20] = {50, 10, 50, 30, 40, 20, 30, 12, 30, 28, NAN, 10, 50, 30, 40, 20, 30, 12, 30, 28};
    const float infinite[10] = {INFINITY};
    float turn[2], angles[6] = {0}, sigma[6] = {0};
    float rotation[18] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, -1, 0, 1, 0, 0, 0, 0, 1};
    const hpe_poses poses = {angles, sigma, rotation};
    int32_t again[2], again_count = -1;
    float again_turns[2];
    CHECK(hpe_turns_from_keypoints(points, 2, turn) == HPE_OK);
    CHECK(fabsf(turn[0] - 90) < 1e-3f && turn[1] == 0);
    REFUSED(hpe_turns_from_keypoints(infinite, 1, turn), HPE_INVALID_ARGUMENT, "infinite");
    REFUSED(hpe_turns_from_keypoints(NULL, 1, turn), HPE_INVALID_ARGUMENT, "keypoints");
    REFUSED(hpe_turns_from_keypoints(points, 1, NULL), HPE_INVALID_ARGUMENT, "turns_deg");
    /* The second face is rolled by 90 degrees in the frame. */
    CHECK(hpe_second_pass(NULL, 2, &poses, again, again_turns, &again_count) == HPE_OK);
    CHECK(again_count == 1 && again[0] == 1 && fabsf(again_turns[0] - 90) < 1e-4f);
    turn[0] = 0;
    turn[1] = 80;
    CHECK(hpe_second_pass(turn, 2, &poses, again, again_turns, &again_count) == HPE_OK && again_count == 0);
    CHECK(hpe_second_pass(NULL, 0, NULL, NULL, NULL, &again_count) == HPE_OK && again_count == 0);
    REFUSED(hpe_second_pass(NULL, 2, &poses, again, again_turns, NULL), HPE_INVALID_ARGUMENT, "again_count");
    REFUSED(hpe_second_pass(NULL, 2, &poses, NULL, again_turns, &again_count), HPE_INVALID_ARGUMENT, "again");
    turn[1] = 30;
    CHECK(hpe_undo_turns(turn, 1, &poses) == HPE_OK && angles[2] == 0 && rotation[0] == 1);
    turn[0] = 30;
    CHECK(hpe_undo_turns(turn, 1, &poses) == HPE_OK && fabsf(angles[2] - 30) < 1e-4f);
    turn[0] = NAN;
    REFUSED(hpe_undo_turns(turn, 1, &poses), HPE_INVALID_ARGUMENT, "turn 0");
    REFUSED(hpe_undo_turns(NULL, 1, &poses), HPE_INVALID_ARGUMENT, "turns_deg");
}

/* `element` bytes per value; blocks end where the crops end. */
static void stretches(const char* text, size_t element) {
    hpe_spec* spec = read_spec(text);
    uint8_t* bytes = new_bytes(WIDTH * HEIGHT * 3);
    const hpe_frame frame = {bytes, WIDTH * 3, NULL, 0, WIDTH, HEIGHT, HPE_RGB};
    const float boxes[8] = {4, 3, 17, 16, -9, -4, 13, 15};
    const size_t room = 2 * FACE * element;
    void *input = malloc(room), *before = malloc(room);
    uint8_t stretched[2] = {9, 9};
    size_t i;
    CHECK(hpe_crop_normalize(spec, &frame, boxes, NULL, 2, input, room) == HPE_OK);
    memcpy(before, input, room);
    CHECK(hpe_stretch(spec, input, room, 2, stretched) == HPE_OK);
    CHECK(stretched[0] == 0 && stretched[1] == 0 && memcmp(before, input, room) == 0);
    for (i = 0; i < WIDTH * HEIGHT * 3; ++i) bytes[i] = (uint8_t)(20 + bytes[i] / 10);
    CHECK(hpe_crop_normalize(spec, &frame, boxes, NULL, 2, input, room) == HPE_OK);
    memcpy(before, input, room);
    CHECK(hpe_stretch(spec, input, room, 2, NULL) == HPE_OK && memcmp(before, input, room) != 0);
    CHECK(hpe_stretch(spec, before, room, 2, stretched) == HPE_OK && memcmp(before, input, room) == 0);
    CHECK(stretched[0] == 1 && stretched[1] == 1);
    REFUSED(hpe_stretch(spec, input, room - 1, 2, stretched), HPE_INVALID_ARGUMENT, "input");
    REFUSED(hpe_stretch(spec, NULL, room, 2, stretched), HPE_INVALID_ARGUMENT, "input");
    REFUSED(hpe_stretch(spec, input, room, -1, stretched), HPE_INVALID_ARGUMENT, "count");
    REFUSED(hpe_stretch(NULL, input, room, 2, stretched), HPE_INVALID_ARGUMENT, "spec");
    CHECK(hpe_stretch(spec, NULL, 0, 0, NULL) == HPE_OK);
    free(before);
    free(input);
    free(bytes);
    hpe_spec_free(spec);
}

static void searches(void) {
    hpe_spec* spec = read_spec(sigma_spec);
    float angles[6] = {0}, sigma[6] = {2, 2, 2, 20, 20, 20}, rotation[18] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    float look_angles[21] = {0}, look_sigma[21], look_rotation[63] = {0}, turns[2] = {0, 10}, look_turns[14];
    const hpe_poses poses = {angles, sigma, rotation}, looks = {look_angles, look_sigma, look_rotation};
    int32_t doubtful[2], count = -1, taken[1] = {9}, i;
    const int32_t bad[1] = {2};
    memcpy(rotation + 9, rotation, 9 * sizeof(float));
    CHECK(hpe_search_turns(spec, turns, 2, &poses, doubtful, look_turns, &count) == HPE_OK && count == 1);
    CHECK(doubtful[0] == 1 && look_turns[0] == 55 && look_turns[6] == 325);
    CHECK(hpe_search_turns(spec, NULL, 2, &poses, doubtful, look_turns, &count) == HPE_OK && look_turns[0] == 45);
    /* Looks 2 and 3 see a face that lies. */
    for (i = 0; i < 7; ++i) {
        float* r = look_rotation + 9 * i;
        const int lies = i == 2 || i == 3;
        look_sigma[3 * i] = look_sigma[3 * i + 1] = look_sigma[3 * i + 2] = i == 3 ? 3.0f : 25.0f;
        r[0] = r[4] = lies ? 0.0f : -1.0f;
        r[1] = lies ? -1.0f : 0.0f;
        r[3] = -r[1];
        r[8] = 1;
        look_angles[3 * i + 2] = lies ? 90.0f : 180.0f;
    }
    CHECK(hpe_take_looks(doubtful, 1, &looks, 2, &poses, taken) == HPE_OK);
    CHECK(taken[0] == 3 && angles[5] == 90 && sigma[3] == 3 && rotation[10] == -1 && angles[2] == 0);
    CHECK(hpe_take_looks(doubtful, 1, &looks, 2, &poses, NULL) == HPE_OK);
    CHECK(hpe_take_looks(NULL, 0, NULL, 2, &poses, NULL) == HPE_OK);
    REFUSED(hpe_take_looks(bad, 1, &looks, 2, &poses, taken), HPE_INVALID_ARGUMENT, "got 2");
    REFUSED(hpe_take_looks(doubtful, 1, NULL, 2, &poses, taken), HPE_INVALID_ARGUMENT, "poses");
    REFUSED(hpe_search_turns(spec, turns, 2, NULL, doubtful, look_turns, &count), HPE_INVALID_ARGUMENT, "poses");
    REFUSED(hpe_search_turns(spec, turns, 2, &poses, NULL, look_turns, &count), HPE_INVALID_ARGUMENT, "doubtful");
    turns[0] = NAN;
    REFUSED(hpe_search_turns(spec, turns, 2, &poses, doubtful, look_turns, &count), HPE_INVALID_ARGUMENT, "turn 0");
    hpe_spec_free(spec);
}

static void without_gpu(void) {
    int32_t count = -1;
    const hpe_status status = hpe_cuda_devices(&count);
    CHECK(hpe_cuda_box_record_bytes() > 0 && hpe_cuda_warp_record_bytes() > 0);
    CHECK(status == HPE_OK || status == HPE_NO_CUDA);
    if (status == HPE_NO_CUDA) {
        hpe_spec* spec = read_spec(bins_spec);
        float input[FACE];
        double records[64];
        CHECK(hpe_last_error()[0] != '\0');
        REFUSED(hpe_cuda_crop_normalize(spec, records, 1, input, sizeof input, NULL), HPE_NO_CUDA, "CUDA");
        hpe_spec_free(spec);
    }
    REFUSED(hpe_cuda_devices(NULL), HPE_INVALID_ARGUMENT, "count");
}

int main(void) {
    versions();
    specs();
    crops(bins_spec, 4);
    crops(half_spec, 2);
    crops(byte_spec, 1);
    bad_frames();
    bad_faces();
    decodes();
    turns();
    stretches(bins_spec, 4);
    stretches(half_spec, 2);
    stretches(byte_spec, 1);
    searches();
    without_gpu();
    printf(failures ? "%d checks failed\n" : "all checks of the C interface passed\n", failures);
    return failures ? 1 : 0;
}
