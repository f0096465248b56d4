package dev.edgekit.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Rect
import android.util.AttributeSet
import android.view.MotionEvent
import android.view.View
import dev.edgekit.core.Pixels

/** A square to draw on with a finger. It is kept as a bitmap of [SIDE] pixels, whatever the screen's size. */
class DrawView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private val bitmap = Bitmap.createBitmap(SIDE, SIDE, Bitmap.Config.ARGB_8888)
    private val canvas = Canvas(bitmap)
    private val ink = Paint(Paint.ANTI_ALIAS_FLAG)
    private val pixelated = Paint()
    private val frame = Rect()
    private var lastX = 0f
    private var lastY = 0f

    /** What is shown, until something is drawn on it: its own pixels are better than those it was stretched to. */
    private var shown: Pixels? = null

    init {
        ink.strokeWidth = SIDE / 12f
        ink.strokeCap = Paint.Cap.ROUND
        wipe(light = false)
    }

    /** An empty surface: white ink on black, or where [light], black on white. */
    fun wipe(light: Boolean) {
        shown = null
        canvas.drawColor(if (light) Color.WHITE else Color.BLACK)
        ink.color = if (light) Color.BLACK else Color.WHITE
        invalidate()
    }

    /** Shows a picture, stretched to the whole surface. */
    fun show(picture: Pixels) {
        val small = Bitmap.createBitmap(picture.toArgb(), picture.width, picture.height, Bitmap.Config.ARGB_8888)
        canvas.drawBitmap(small, null, Rect(0, 0, SIDE, SIDE), pixelated)
        shown = picture
        invalidate()
    }

    /** What is on the surface. */
    fun pixels(): Pixels {
        shown?.let { return it }
        val argb = IntArray(SIDE * SIDE)
        bitmap.getPixels(argb, 0, SIDE, 0, 0, SIDE, SIDE)
        return Pixels.fromArgb(argb, SIDE, SIDE)
    }

    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val side = minOf(MeasureSpec.getSize(widthMeasureSpec), resources.displayMetrics.heightPixels / 2)
        setMeasuredDimension(MeasureSpec.getSize(widthMeasureSpec), side)
    }

    override fun onDraw(canvas: Canvas) {
        val side = minOf(width, height)
        val left = (width - side) / 2
        frame.set(left, 0, left + side, side)
        canvas.drawBitmap(bitmap, null, frame, pixelated)
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (!isEnabled || frame.isEmpty) return false
        val x = (event.x - frame.left) * SIDE / frame.width()
        val y = (event.y - frame.top) * SIDE / frame.height()
        when (event.actionMasked) {
            MotionEvent.ACTION_DOWN -> {
                parent.requestDisallowInterceptTouchEvent(true) // else the page scrolls
                canvas.drawPoint(x, y, ink)
            }
            MotionEvent.ACTION_MOVE -> canvas.drawLine(lastX, lastY, x, y, ink)
            MotionEvent.ACTION_UP -> performClick()
        }
        lastX = x
        lastY = y
        shown = null
        invalidate()
        return true
    }

    private companion object {
        const val SIDE = 448
    }
}
